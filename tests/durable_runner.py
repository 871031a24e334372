"""Durable functions on the SDK's own in-memory runner, whose process is killed where a test wants it to be."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aws_durable_execution_sdk_python_testing import DurableFunctionTestRunner

from weconnect import fault_injection


class ProcessKilled(BaseException):
    """The process was killed: nothing in it may catch this."""


@contextmanager
def running_function(handler: Callable[[Any, Any], Any]) -> Iterator[DurableFunctionTestRunner]:
    """Yield a runner of a durable function, to which a killed process is a failed invocation."""

    def invoke(event: Any, context: Any) -> Any:
        try:
            return handler(event, context)
        except ProcessKilled:
            raise RuntimeError("the process was killed") from None

    with DurableFunctionTestRunner(handler=invoke, poll_interval=0.02) as runner:
        runner._executor.RETRY_BACKOFF_SECONDS = 0  # not five
        yield runner
    runner._scheduler._loop.close()  # which its own close forgets


class RunnerLambdaClient:
    """A Lambda client that starts executions on the runner, once for each name."""

    def __init__(self, runner: DurableFunctionTestRunner) -> None:
        self.runner = runner
        self.started: dict[str, str] = {}

    def invoke(self, **request: Any) -> None:
        name = request["DurableExecutionName"]
        if name not in self.started:
            self.started[name] = ""
            self.started[name] = self.runner.run_async(input=request["Payload"], execution_name=name)

    def send_durable_execution_callback_success(self, **request: Any) -> None:
        self.runner.send_callback_success(request["CallbackId"], request["Result"].encode())


def kill_once_at(monkeypatch: pytest.MonkeyPatch, kill_point: str) -> list[str]:
    """Kill the process the first time it reaches `kill_point`; return the list of kill points passed, as it grows."""
    passed: list[str] = []

    def reach(name: str) -> None:
        passed.append(name)
        if name == kill_point and passed.count(name) == 1:
            raise ProcessKilled

    monkeypatch.setattr(fault_injection, "kill_point", reach)
    return passed
