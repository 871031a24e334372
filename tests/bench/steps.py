"""What a durable step costs, ours beside the SDK's own, in memory."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import StepConfig
from aws_durable_execution_sdk_python.retries import RetryDecision
from aws_durable_execution_sdk_python_testing import DurableFunctionTestRunner

from tests.bench.rows import Line, median, ratio
from tests.bench.world import world
from tests.factories import registered
from weconnect.durable import DurableSteps

FEW, MANY, ROUNDS = 10, 60, 7
ORGANIZATION = uuid4()
VALUE = {"text": "x" * 200}


@durable_execution
def ours(event: dict[str, Any], context: DurableContext) -> int:
    steps = DurableSteps(context, ORGANIZATION, uuid4())
    for number in range(event["steps"]):
        steps.step(f"step-{number}", lambda: VALUE)
    return event["steps"]  # type: ignore[no-any-return]


@durable_execution
def bare(event: dict[str, Any], context: DurableContext) -> int:
    config = StepConfig(retry_strategy=lambda error, attempts: RetryDecision.no_retry())
    for number in range(event["steps"]):
        context.step(lambda _: VALUE, name=f"step-{number}", config=config)
    return event["steps"]  # type: ignore[no-any-return]


def lines() -> Iterator[Line]:
    """Milliseconds a step, from the difference of long and short runs; whether that is linear; one agent run."""
    took: dict[tuple[Any, int], list[float]] = {}
    for number in range(ROUNDS + 1):
        for handler in (ours, bare):
            for count in (FEW, MANY):
                milliseconds = _run(handler, {"steps": count})
                if number:
                    took.setdefault((handler, count), []).append(milliseconds)
    each = {
        handler: (median(took[handler, MANY]) - median(took[handler, FEW])) / (MANY - FEW)
        for handler in (ours, bare)
    }
    met = each[ours] <= 5
    yield Line(
        "a durable step, in memory",
        f"{each[ours]:.2f} ms",
        f"{each[bare]:.2f} ms the bare SDK's",
        each[ours] / each[bare],
        "≤ 5 ms",
        met,
    )
    long = median(_run(ours, {"steps": 400}) for _ in range(3))
    short = median(_run(ours, {"steps": 40}) for _ in range(3))
    yield ratio("400 steps against 40", long, short, "ms", "40 steps", 11)
    yield from _agent_run(each[bare])


def _agent_run(bare_step: float) -> Iterator[Line]:
    """A whole run of an agent: its checkpoints, and the time of each on moto, which is most of it."""
    from agents.run_agent import handler

    with world() as starter:
        me = registered()
        path = me.client.post("/v1/agents", {"name": "Helper"}).headers["Location"]
        me.client.post(f"{path}/tools", {"toolName": "calculator"})
        took, counts = [], []
        for _ in range(ROUNDS):
            assert me.client.post(f"{path}/executions", {"input": "what is 17 * 23?"}).status == 202
            payload = json.loads(starter.asked.pop()["Payload"])
            with DurableFunctionTestRunner(handler=handler, poll_interval=0.005) as runner:
                started = time.perf_counter()
                ended = runner.run(input=json.dumps(payload), execution_name=payload["executionId"])
                took.append((time.perf_counter() - started) * 1000)
            assert json.loads(ended.result) == {"status": "completed"}
            counts.append(len(ended.operations))
    of_one = median(took) / counts[0]
    yield Line(
        "durable operations of a run with one tool call",
        str(max(counts)),
        bound="one a step: 5",
        met=max(counts) == 5,
    )
    yield Line(
        "  ms a step, with the table in moto",
        f"{of_one:.1f} ms",
        f"{bare_step:.2f} ms the bare SDK's",
        of_one / bare_step,
    )


def _run(handler: Callable[..., Any], event: dict[str, int]) -> float:
    with DurableFunctionTestRunner(handler=handler, poll_interval=0.005) as runner:
        started = time.perf_counter()
        ended = runner.run(input=json.dumps(event), execution_name=str(uuid4()))
        took = (time.perf_counter() - started) * 1000
    assert json.loads(ended.result) == event["steps"]
    return took
