"""Durable functions on the SDK's own in-memory runner, whose process dies where a test wants it to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aws_durable_execution_sdk_python_testing import DurableFunctionTestRunner

from weconnect import durable


class Died(BaseException):
    """The process is gone: nothing in it may catch this."""


@contextmanager
def running(handler: Callable[[Any, Any], Any]) -> Iterator[DurableFunctionTestRunner]:
    """A runner of a durable function; a process that died is an invocation that failed."""

    def carefully(found: Any, context: Any) -> Any:
        try:
            return handler(found, context)
        except Died:
            raise RuntimeError("the process died") from None

    with DurableFunctionTestRunner(handler=carefully, poll_interval=0.02) as runner:
        runner._executor.RETRY_BACKOFF_SECONDS = 0  # not five
        yield runner
    runner._scheduler._loop.close()  # which its own close forgets


class OnRunner:
    """Stands where Lambda's client stands: what is started runs on the runner, once for each name."""

    def __init__(self, runner: DurableFunctionTestRunner) -> None:
        self.runner = runner
        self.started: dict[str, str] = {}

    def invoke(self, **request: Any) -> None:
        name = request["DurableExecutionName"]
        if name not in self.started:
            self.started[name] = ""
            self.started[name] = self.runner.run_async(input=request["Payload"], execution_name=name)

    def send_durable_execution_callback_success(self, **sent: Any) -> None:
        self.runner.send_callback_success(sent["CallbackId"], sent["Result"].encode())


def die_once(monkeypatch: pytest.MonkeyPatch, place: str) -> list[str]:
    """End the process at a fault point the first time it is reached; returns the points passed."""
    passed: list[str] = []

    def point(name: str) -> None:
        passed.append(name)
        if name == place and passed.count(name) == 1:
            raise Died

    monkeypatch.setattr(durable.faults, "point", point)
    return passed
