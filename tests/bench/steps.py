"""Time of a durable step in memory, with our wrapper and with the bare SDK."""

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
from tests.factories import register
from weconnect.durable.steps import DurableSteps

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
    """Yield milliseconds per step (by the difference of long and short executions), and an agent execution."""
    times: dict[tuple[Any, int], list[float]] = {}
    for number in range(ROUNDS + 1):
        for handler in (ours, bare):
            for count in (FEW, MANY):
                milliseconds = _run(handler, {"steps": count})
                if number:
                    times.setdefault((handler, count), []).append(milliseconds)
    per_step = {
        handler: (median(times[handler, MANY]) - median(times[handler, FEW])) / (MANY - FEW)
        for handler in (ours, bare)
    }
    yield Line(
        "a durable step, in memory",
        f"{per_step[ours]:.2f} ms",
        f"{per_step[bare]:.2f} ms bare SDK",
        per_step[ours] / per_step[bare],
        "≤ 5 ms",
        per_step[ours] <= 5,
    )
    long = median(_run(ours, {"steps": 400}) for _ in range(3))
    short = median(_run(ours, {"steps": 40}) for _ in range(3))
    yield ratio("  400 steps compared with 40", long, short, "ms", "40 steps", 11)
    yield from _agent_execution(per_step[bare])


def _agent_execution(bare_step: float) -> Iterator[Line]:
    """Yield the checkpoints of a whole agent execution, and the time of each, most of which is moto's."""
    from agents.run_agent import handler

    with world() as starter:
        me = register()
        path = me.client.post("/v1/agents", {"name": "Helper"}).headers["Location"]
        me.client.post(f"{path}/tools", {"toolName": "calculator"})
        times, counts = [], []
        for _ in range(ROUNDS):
            assert me.client.post(f"{path}/executions", {"input": "what is 17 * 23?"}).status == 202
            payload = json.loads(starter.invocations.pop()["Payload"])
            with DurableFunctionTestRunner(handler=handler, poll_interval=0.005) as runner:
                started = time.perf_counter()
                result = runner.run(input=json.dumps(payload), execution_name=payload["executionId"])
                times.append((time.perf_counter() - started) * 1000)
            assert json.loads(result.result) == {"status": "completed"}
            counts.append(len(result.operations))
    per_operation = median(times) / counts[0]
    yield Line(
        "durable operations of an agent execution with one tool call",
        str(max(counts)),
        bound="5, one per step",
        met=max(counts) == 5,
    )
    yield Line(
        "  time of each, with the table in moto",
        f"{per_operation:.1f} ms",
        f"{bare_step:.2f} ms bare SDK",
        per_operation / bare_step,
    )


def _run(handler: Callable[..., Any], event: dict[str, int]) -> float:
    with DurableFunctionTestRunner(handler=handler, poll_interval=0.005) as runner:
        started = time.perf_counter()
        result = runner.run(input=json.dumps(event), execution_name=str(uuid4()))
        milliseconds = (time.perf_counter() - started) * 1000
    assert json.loads(result.result) == event["steps"]
    return milliseconds
