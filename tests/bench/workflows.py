"""What a workflow's run costs beyond what its nodes do: time of a node, operations, writes to the table."""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from uuid import uuid4

from aws_durable_execution_sdk_python_testing import DurableFunctionTestRunner

from tests.bench.calls import WRITES, counting
from tests.bench.rows import Line, median, ratio
from tests.bench.world import world
from tests.executions.runs import begun, made
from tests.factories import Registered, registered
from tests.mortal import OnRunner
from tests.workflows.definitions import definition, node
from weconnect import durable
from weconnect.executions import lifecycle
from weconnect.executions.lifecycle import Pinned, Place
from weconnect.outbound import client as outbound
from weconnect.outbound.client import OutboundResponse
from weconnect.workflows.engine.execution_loop import Engine
from weconnect.workflows.engine.express import InlineSteps
from weconnect.workflows.entities import WorkflowDefinition

FEW, MANY, ROUNDS = 40, 400, 9


def chain(length: int, *effects: int, plain: bool = False) -> dict[str, Any]:
    """Set nodes one after the other, of which some are calls of an address."""
    value = 1 if plain else "{{ n + 1 }}"
    nodes = [
        node(f"n{number}", "http_request", url="https://example.com")
        if number in effects
        else node(f"n{number}", "set", values={"n": value}, keepInput=False)
        for number in range(length)
    ]
    return definition(nodes, "start > n0", *(f"n{number} > n{number + 1}" for number in range(length - 1)))


def loop(body: dict[str, Any]) -> dict[str, Any]:
    """A loop over single items."""
    nodes = [
        node("loop", "loop", batchSize=1, maxIterations=10_000),
        body,
        node("count", "aggregate", operations=[{"function": "count", "as": "count"}]),
    ]
    return definition(nodes, "start > loop", "loop.loop > body", "body > loop", "loop.done > count")


def lines() -> Iterator[Line]:
    """Pure nodes by the engine alone, effects on the SDK's runner, and what is counted."""
    for name, plain in (
        ("a pure node (set, no expression)", True),
        ("a pure node (set, one expression)", False),
    ):
        few, many = (median(_pure(length, plain) for _ in range(ROUNDS)) for length in (FEW, MANY))
        each = (many - few) / (MANY - FEW)
        yield Line(name, f"{each:.3f} ms", "n8n's 0.4 ms", each / 0.4, "≤ 0.5 ms", each <= 0.5)
        yield ratio("  400 of them against 40", many, few, "ms", "40 nodes", 11)
    send, outbound.send = outbound.send, _answer  # type: ignore[assignment]
    try:
        with world() as starter:
            me = registered()
            yield from _effects(me, starter)
            yield from _counted(me, starter)
    finally:
        outbound.send = send


def _answer(method: str, url: str, **_: Any) -> OutboundResponse:
    return OutboundResponse(200, {}, b"fine", url)


def _pure(length: int, plain: bool) -> float:
    """Milliseconds of a walk without any step."""
    pinned = Pinned(
        user_id=uuid4(),
        workflow_id=uuid4(),
        workflow_name="Bench",
        workflow_version=1,
        mode="api",
        started=time.time(),
        definition=WorkflowDefinition.model_validate(chain(length, plain=plain)),
        trigger={"n": 1},
        retention_days=7,
    )
    started = time.perf_counter()
    outcome = Engine(InlineSteps(), Place(uuid4(), uuid4()), pinned).run()
    took = (time.perf_counter() - started) * 1000
    assert outcome.output == [{"n": 1 if plain else length + 1}], outcome
    return took


def _effects(me: Registered, starter: Any) -> Iterator[Line]:
    """An effect is one step; without the fence's read, which is the table's time and not the engine's."""
    fence = lifecycle.fence
    took: dict[tuple[bool, int], float] = {}
    for fenced in (False, True):
        lifecycle.fence = fence if fenced else lambda *_: None  # type: ignore[assignment]
        for length in (5, 45):
            path = made(me, chain(length, *range(length)), f"Effects {fenced} {length}")
            took[fenced, length] = median(_durable(me, starter, path)[0] for _ in range(5))
    lifecycle.fence = fence
    each, whole = ((took[fenced, 45] - took[fenced, 5]) / 40 for fenced in (False, True))
    yield Line("an effect, in memory", f"{each:.2f} ms", "DBOS's 3.0 ms", each / 3, "≤ 5 ms", each <= 5)
    yield Line("  with its fence, the table in moto", f"{whole:.2f} ms")


def _durable(me: Registered, starter: Any, path: str, given: Any = None) -> tuple[float, int, int]:
    """One run on the SDK's in-memory runner, with those that do batches of its loops: milliseconds, operations of the
    one that has most, and bytes of all checkpoints.
    """
    from executions.run_workflow import handler

    begun(me, path, given or {"n": 1})
    asked = starter.asked.pop()
    client = durable.lambda_client
    with DurableFunctionTestRunner(handler=handler, poll_interval=0.005) as runner:
        others = OnRunner(runner)
        durable.lambda_client = lambda: others  # type: ignore[assignment]
        started = time.perf_counter()
        ended = runner.run(input=asked["Payload"], execution_name=asked["DurableExecutionName"])
        took = (time.perf_counter() - started) * 1000
        found = [ended, *(runner.wait_for_result(arn) for arn in others.started.values())]
    durable.lambda_client = client  # type: ignore[assignment]
    assert json.loads(ended.result) == {"status": "completed"}, ended.result
    operations = [list(_all(each.operations)) for each in found]
    size = sum(len(getattr(each, "result", None) or "") for run in operations for each in run)
    return took, max(len(run) for run in operations), size


def _all(operations: Iterable[Any]) -> Iterator[Any]:
    for operation in operations:
        yield operation
        yield from _all(getattr(operation, "child_operations", []))


def _counted(me: Registered, starter: Any) -> Iterator[Line]:
    ten = made(me, chain(9, 2, 5, 8, plain=True), "Ten")
    _, operations, size = _durable(me, starter, ten)
    yield Line("operations: 10 nodes, 3 effects", str(operations), bound="≤ 6", met=operations <= 6)
    yield Line("  bytes of their checkpoints", f"{size:,}")
    pure = made(me, loop(node("body", "set", values={"n": "{{ n + 1 }}"})), "Loop")
    effects = made(me, loop(node("body", "http_request", url="https://example.com")), "Loop of effects")
    for name, path, count in (("", pure, 10), ("", pure, 1_000), (" with an effect", effects, 1_000)):
        took, operations, size = _durable(me, starter, path, [{"n": number} for number in range(count)])
        text = f"{took:.0f} ms, {operations} operations at most in a run, {size:,} bytes"
        yield Line(f"a loop over {count:,} items{name}", text, bound="≤ 3,000", met=operations <= 3_000)
    short, long = made(me, chain(3), "Short"), made(me, chain(11, 2, 5, 8, plain=True), "Long")

    def express() -> None:
        answer = me.client.post(f"{short}/executions", {"input": {"n": 1}}, headers={"Prefer": "wait=5"})
        assert answer.json["status"] == "completed" and answer.json["isExpress"]

    yield _writes("writes: an express run of 4 nodes", express, 3)
    yield _writes("writes: a durable run of 12 nodes, 3 effects", lambda: _durable(me, starter, long), 6)


def _writes(name: str, work: Callable[[], Any], most: int) -> Line:
    """Calls that write, beside those that count: the month's executions, the open ones and the workflow's."""
    with counting() as seen:
        work()
    found = {call: number for call, number in seen.items() if call in WRITES}
    total = sum(found.values())
    counters = 4
    text = f"{total - counters} and {counters} counters"
    return Line(name, text, bound=f"≤ {most - 1}", met=total - counters <= most - 1)
