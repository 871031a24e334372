"""Overhead of a workflow execution beyond its nodes' work: time per node, operations, writes to the table."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from aws_durable_execution_sdk_python_testing import DurableFunctionTestRunner

from tests.bench.calls import WRITES, count_calls
from tests.bench.rows import Line, median, ratio
from tests.bench.world import world
from tests.durable_runner import RunnerLambdaClient
from tests.executions.execution_helpers import create_workflow, start_execution
from tests.factories import RegisteredUser, register
from tests.workflows.definitions import definition, node
from weconnect.durable import client as durable_client
from weconnect.outbound import client as outbound
from weconnect.outbound.client import OutboundResponse
from weconnect.workflows.engine import fenced_steps
from weconnect.workflows.engine.execution_loop import ExecutionLoop
from weconnect.workflows.engine.execution_snapshot import ExecutionSnapshot
from weconnect.workflows.engine.express import InlineSteps
from weconnect.workflows.entities import WorkflowDefinition
from weconnect.workflows.executions.rows import ExecutionKey

FEW, MANY, ROUNDS = 40, 400, 9


def chain(length: int, *effects: int, plain: bool = False) -> dict[str, Any]:
    """Return a workflow of consecutive set nodes; those numbered `effects` call an address instead."""
    value = 1 if plain else "{{ n + 1 }}"
    nodes = [
        node(f"n{number}", "http_request", url="https://example.com")
        if number in effects
        else node(f"n{number}", "set", values={"n": value}, keepInput=False)
        for number in range(length)
    ]
    return definition(nodes, "start > n0", *(f"n{number} > n{number + 1}" for number in range(length - 1)))


def loop(body: dict[str, Any]) -> dict[str, Any]:
    """Return a workflow that loops over single items."""
    nodes = [
        node("loop", "loop", batchSize=1, maxIterations=10_000),
        body,
        node("count", "aggregate", operations=[{"function": "count", "as": "count"}]),
    ]
    return definition(nodes, "start > loop", "loop.loop > body", "body > loop", "loop.done > count")


def lines() -> Iterator[Line]:
    """Yield times of pure nodes in the engine and of effects on the SDK's runner, then operations and writes."""
    for name, plain in (
        ("a pure node (set, without an expression)", True),
        ("a pure node (set, with one expression)", False),
    ):
        few, many = (median(_pure(length, plain) for _ in range(ROUNDS)) for length in (FEW, MANY))
        each = (many - few) / (MANY - FEW)
        yield Line(name, f"{each:.3f} ms", "0.4 ms n8n", each / 0.4, "≤ 0.5 ms", each <= 0.5)
        yield ratio("  400 nodes compared with 40", many, few, "ms", "40 nodes", 11)
    send, outbound.send = outbound.send, _respond
    try:
        with world() as starter:
            me = register()
            yield from _effects(me, starter)
            yield from _counted(me, starter)
    finally:
        outbound.send = send


def _respond(method: str, url: str, **_: Any) -> OutboundResponse:
    return OutboundResponse(200, {}, b"fine", url)


def _pure(length: int, plain: bool) -> float:
    """Return the milliseconds of an execution without any step."""
    snapshot = ExecutionSnapshot(
        user_id=uuid4(),
        workflow_id=uuid4(),
        workflow_name="Bench",
        workflow_version=1,
        mode="api",
        started_at=time.time(),
        definition=WorkflowDefinition.model_validate(chain(length, plain=plain)),
        trigger={"n": 1},
        retention_days=7,
    )
    started = time.perf_counter()
    completion = ExecutionLoop(InlineSteps(), ExecutionKey(uuid4(), uuid4()), snapshot).execute()
    took = (time.perf_counter() - started) * 1000
    assert completion.output == [{"n": 1 if plain else length + 1}], completion
    return took


def _effects(me: RegisteredUser, starter: Any) -> Iterator[Line]:
    """Yield the time of an effect, which is one step, without and with the fence's read (the table's time)."""
    times: dict[tuple[bool, int], float] = {}
    for fenced in (False, True):
        for length in (5, 45):
            path = create_workflow(me, chain(length, *range(length)), f"Effects {fenced} {length}")
            with nullcontext() if fenced else patch.object(fenced_steps, "check_fence", new=lambda *_: None):
                times[fenced, length] = median(_durable(me, starter, path)[0] for _ in range(5))
    each, whole = ((times[fenced, 45] - times[fenced, 5]) / 40 for fenced in (False, True))
    yield Line("an effect, in memory", f"{each:.2f} ms", "3.0 ms DBOS", each / 3, "≤ 5 ms", each <= 5)
    yield Line("  with its fence, table in moto", f"{whole:.2f} ms")


def _durable(me: RegisteredUser, starter: Any, path: str, input: Any = None) -> tuple[float, int, int]:
    """Execute a workflow on the SDK's in-memory runner, with the executions that do batches of its loops.

    Return milliseconds, the operations of the execution that has most, and the bytes of all checkpoints.
    """
    from executions.run_workflow import handler

    start_execution(me, path, input or {"n": 1})
    invocation = starter.invocations.pop()
    client = durable_client.lambda_client
    with DurableFunctionTestRunner(handler=handler, poll_interval=0.005) as runner:
        others = RunnerLambdaClient(runner)
        durable_client.lambda_client = lambda: others  # type: ignore[assignment]
        started = time.perf_counter()
        result = runner.run(input=invocation["Payload"], execution_name=invocation["DurableExecutionName"])
        took = (time.perf_counter() - started) * 1000
        results = [result, *(runner.wait_for_result(arn) for arn in others.started.values())]
    durable_client.lambda_client = client
    assert json.loads(result.result) == {"status": "completed"}, result.result
    operations = [list(_all(each.operations)) for each in results]
    size = sum(len(getattr(each, "result", None) or "") for run in operations for each in run)
    return took, max(len(run) for run in operations), size


def _all(operations: Iterable[Any]) -> Iterator[Any]:
    for operation in operations:
        yield operation
        yield from _all(getattr(operation, "child_operations", []))


def _counted(me: RegisteredUser, starter: Any) -> Iterator[Line]:
    ten = create_workflow(me, chain(9, 2, 5, 8, plain=True), "Ten")
    _, operations, size = _durable(me, starter, ten)
    yield Line(
        "durable operations of 10 nodes with 3 effects", str(operations), bound="≤ 6", met=operations <= 6
    )
    yield Line("  bytes of their checkpoints", f"{size:,}")
    pure = create_workflow(me, loop(node("body", "set", values={"n": "{{ n + 1 }}"})), "Loop")
    effects = create_workflow(
        me, loop(node("body", "http_request", url="https://example.com")), "Loop of effects"
    )
    for name, path, count in (("", pure, 10), ("", pure, 1_000), (" with an effect", effects, 1_000)):
        took, operations, size = _durable(me, starter, path, [{"n": number} for number in range(count)])
        text = f"{took:.0f} ms, {operations} operations at most per execution, {size:,} bytes"
        yield Line(f"a loop over {count:,} items{name}", text, bound="≤ 3,000", met=operations <= 3_000)
    short, long = (
        create_workflow(me, chain(3), "Short"),
        create_workflow(me, chain(11, 2, 5, 8, plain=True), "Long"),
    )

    def express() -> None:
        response = me.client.post(f"{short}/executions", {"input": {"n": 1}}, headers={"Prefer": "wait=5"})
        assert response.json["status"] == "completed" and response.json["isExpress"]

    yield _writes("writes of an express execution with 4 nodes", express, 3)
    yield _writes(
        "writes of a durable execution with 12 nodes, 3 effects", lambda: _durable(me, starter, long), 6
    )


def _writes(name: str, work: Callable[[], Any], limit: int) -> Line:
    """Return the line of the calls that write, without the counters (month, open executions, workflow)."""
    with count_calls() as counts:
        work()
    total = sum(number for operation, number in counts.items() if operation in WRITES)
    counters = 4
    text = f"{total - counters} and {counters} counters"
    return Line(name, text, bound=f"≤ {limit - 1}", met=total - counters <= limit - 1)
