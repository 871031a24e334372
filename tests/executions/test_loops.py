"""Loops too long for one execution: they are processed in slices, with the same results."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.agents.execution_helpers import Starter
from tests.executions.execution_helpers import (
    create_workflow,
    execute_workflow,
    start_execution,
    statuses_by_path,
)
from tests.factories import RegisteredUser
from tests.in_memory_steps import InMemorySteps
from tests.workflows.definitions import connect, definition, node
from weconnect import clock
from weconnect.durable import client as durable_client
from weconnect.outbound import client as outbound
from weconnect.outbound.client import OutboundResponse
from weconnect.workflows.engine import levels, loops, operation_plan
from weconnect.workflows.executions import journal


class Calls:
    """Record the request bodies in order; `bad` ones fail, and `then` is called for each."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.keys: Counter[str] = Counter()
        self.bad: set[str] = set()
        self.then: Callable[[str], object] = lambda body: None

    def send(self, method: str, url: str, **options: Any) -> OutboundResponse:
        body = url.rpartition("/")[2]
        self.seen.append(body)
        self.keys[options["headers"]["idempotency-key"]] += 1
        self.then(body)
        return OutboundResponse(404 if body in self.bad else 200, {}, body.encode(), url)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    calls = Calls()
    monkeypatch.setattr(outbound, "send", calls.send)
    return calls


@pytest.fixture
def with_few_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plan with so few operations that three iterations of a body with one effect fit."""
    monkeypatch.setattr(levels, "PLANNED_OPERATIONS", 9)


def http(id: str, url: str = "https://example.com/{{ n }}", **more: Any) -> dict[str, Any]:
    return node(id, "http_request", method="POST", url=url, **more)


def loop_over(*body: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a loop over a chain of nodes, followed by a count of the items that came back."""
    ids = [each["id"] for each in body]
    count = node("count", "aggregate", operations=[{"function": "count", "as": "count"}])
    links = [*(f"{a} > {b}" for a, b in pairwise(ids)), f"{ids[-1]} > l"]
    loop = node("l", "loop", **{"maxIterations": 10_000} | more)
    return definition([loop, *body, count], "start > l", f"l.loop > {ids[0]}", *links, "l.done > count")


def numbered_items(count: int) -> list[dict[str, Any]]:
    return [{"n": number} for number in range(count)]


def list_slices(me: RegisteredUser) -> list[Any]:
    """Return the executions of slices, oldest first, with their nodes."""
    children = me.client.get("/v1/executions?mode=subworkflow&limit=100").json["items"]
    children = sorted(children, key=lambda each: each["createdAt"])
    return [me.client.get(f"/v1/executions/{each['id']}").json for each in children]


class CountingStarter(Starter):
    """A starter that keeps the steps of each execution."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[InMemorySteps] = []

    def run_next(self, steps: Any = None) -> None:
        self.steps.append(InMemorySteps())
        super().run_next(self.steps[-1])


def test_a_thousand_items_with_an_effect_are_processed_in_slices(
    me: RegisteredUser, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    starter = CountingStarter()
    monkeypatch.setattr(durable_client, "lambda_client", lambda: starter)
    execution = execute_workflow(me, starter, loop_over(http("a")), numbered_items(1_000))
    assert (execution["status"], execution["output"]) == ("completed", [{"count": 1_000}]), execution["error"]
    assert calls.seen == [str(number) for number in range(1_000)]
    assert set(calls.keys.values()) == {1} and len(calls.keys) == 1_000
    assert len(starter.steps) == 3 and all(len(each.names) < 3_000 for each in starter.steps)
    first, second = list_slices(me)
    assert {each["parentExecutionId"] for each in (first, second)} == {execution["id"]}
    assert {each["workflowId"] for each in (first, second)} == {execution["workflowId"]}
    assert (len(first["nodes"]), len(second["nodes"])) == (866, 134)
    assert (first["nodes"][0]["path"], second["nodes"][-1]["path"]) == ("a.1", "a.1000")
    by_path = {each["path"]: each for each in execution["nodes"]}
    assert set(by_path) == {"start", "l.1-866", "l.867-1000", "l", "count"}
    assert by_path["l"]["executionIds"] == [first["id"], second["id"]]
    assert by_path["l.867-1000"]["executionIds"] == [second["id"]]
    assert me.client.get(f"/v1/workflows/{execution['workflowId']}").json["executionCount"] == 1


def test_a_loop_without_effects_is_not_sliced(me: RegisteredUser, starter: Starter) -> None:
    body = node("a", "set", values={"n": "{{ n + 1 }}"})
    execution = execute_workflow(me, starter, loop_over(body), numbered_items(2_000))
    assert (execution["status"], execution["output"]) == ("completed", [{"count": 2_000}]), execution["error"]
    assert list_slices(me) == []


def test_loops_without_effects_have_an_iteration_limit(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "MAX_ITERATIONS_OF_EXECUTION", 20)
    monkeypatch.setattr(journal, "MAX_SHOWN", 10)
    execution = execute_workflow(
        me, starter, loop_over(node("a", "noop")), numbered_items(20), "Just so many"
    )
    assert execution["status"] == "completed" and execution["nodesRun"] == 23
    assert [each["path"] for each in execution["nodes"]] == [
        *(f"a.{number}" for number in range(13, 21)),
        "l",
        "count",
    ]
    execution = execute_workflow(me, starter, loop_over(node("a", "noop")), numbered_items(21), "One more")
    assert (execution["status"], execution["error"]["code"]) == ("failed", "too_many_iterations")


def test_the_body_of_a_slice_sees_what_it_would_see_in_the_execution(
    me: RegisteredUser, starter: Starter, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The execution's input and ID, variables, earlier nodes, and the outputs of the previous iteration."""
    assert me.client.post("/v1/variables", {"name": "by", "value": "2"}).status == 201
    values = {
        "n": "{{ $nodes.l.output.n * $number($vars.by) }}",
        "sum": "{{ $nodes.l.output.n + ($exists($nodes.sum.output.sum) ? $nodes.sum.output.sum : 0) }}",
        "first": "{{ $trigger[0].n }}",
        "all": "{{ $count($nodes.before.items) }}",
        "id": "{{ $execution.id }}",
        "mode": "{{ $execution.mode }}",
    }
    value = loop_over(http("a"), node("sum", "set", values=values, keepInput=False))
    value["nodes"] += [
        node("before", "noop"),
        node("end", "set", values={"sum": "{{ $nodes.sum.output.sum }}"}),
    ]
    value["connections"][0] = connect("start > before")
    value["connections"] += [connect("before > l"), connect("count > end")]
    path = create_workflow(me, value)
    for room in (2_600, 9):
        monkeypatch.setattr(levels, "PLANNED_OPERATIONS", room)
        execution = start_execution(me, path, numbered_items(10))
        starter.run_pending()
        done = me.client.get(execution).json
        assert (done["status"], done["output"]) == ("completed", [{"count": 10, "sum": 45}]), done["error"]
        loop = next(each for each in done["nodes"] if each["path"] == "l")
        items = me.client.get(f"{execution}/nodes/{loop['id']}").json["output"]["done"]
        common = {"first": 0, "all": 10, "id": done["id"], "mode": "api"}
        assert [item["sum"] for item in items] == [0, 1, 3, 6, 10, 15, 21, 28, 36, 45]
        assert items[9] == {"n": 18, "sum": 45} | common
    assert len(list_slices(me)) == 4


def test_nested_loops_are_sliced_and_end_the_same(
    me: RegisteredUser, starter: Starter, calls: Calls, with_few_operations: None
) -> None:
    value = definition(
        [
            node("outer", "loop", batchSize=2),
            node("split", "split", field="parts"),
            node("inner", "loop"),
            http("call"),
            node("end", "aggregate", operations=[{"function": "count", "as": "n"}]),
        ],
        *("start > outer", "outer.loop > split", "split > inner", "inner.loop > call", "call > inner"),
        *("inner.done > outer", "outer.done > end"),
    )
    items = [{"parts": numbered_items(5)}, {"parts": [{"n": 5}]}, {"parts": [{"n": 6}]}]
    execution = execute_workflow(me, starter, value, items)
    assert (execution["status"], execution["output"]) == ("completed", [{"n": 7}]), execution["error"]
    assert calls.seen == [str(number) for number in range(7)]
    ran_nodes = [
        path for part in list_slices(me) for path in statuses_by_path(part) if path.startswith("call")
    ]
    assert ran_nodes == ["call.1.1", "call.1.2", "call.1.3", "call.1.4", "call.1.5", "call.1.6", "call.2.1"]


def test_a_very_long_loop_is_processed_in_slices_of_slices(
    me: RegisteredUser,
    starter: Starter,
    calls: Calls,
    with_few_operations: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An execution waits for a limited number of slices."""
    monkeypatch.setattr(operation_plan, "MAX_SLICES", 2)
    execution = execute_workflow(me, starter, loop_over(http("a")), numbered_items(16))
    assert (execution["status"], execution["output"]) == ("completed", [{"count": 16}]), execution["error"]
    assert calls.seen == [str(number) for number in range(16)]
    slice_paths = {
        tuple(each["path"] for each in part["nodes"] if "-" in each["path"]) for part in list_slices(me)
    }
    assert ("l.1-4", "l.5-8") in slice_paths and ("l.9-12", "l.13-16") in slice_paths


@pytest.mark.parametrize("room", [9, 2_600])
def test_an_error_in_a_slice_is_the_executions(
    me: RegisteredUser, starter: Starter, calls: Calls, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    monkeypatch.setattr(levels, "PLANNED_OPERATIONS", room)
    calls.bad = {"7"}
    execution = execute_workflow(me, starter, loop_over(http("a")), numbered_items(10), "Stops")
    assert (execution["status"], execution["error"]["code"], execution["error"]["nodeId"]) == (
        "failed",
        "http_404",
        "a",
    )
    assert calls.seen == [str(number) for number in range(8)]
    execution = execute_workflow(
        me, starter, loop_over(http("a", onError="continue")), numbered_items(10), "Continues"
    )
    assert (execution["status"], execution["output"]) == ("completed", [{"count": 10}])
    execution = execute_workflow(
        me, starter, loop_over(http("a"), onError="continue"), numbered_items(10), "Loop continues"
    )
    assert (execution["status"], execution["output"]) == ("completed", [{"count": 10}])
    value = loop_over(http("a"), onError="error_output")
    value["connections"][-1]["sourceOutput"] = "error"
    execution = execute_workflow(me, starter, value, numbered_items(10), "Loop's error")
    assert (execution["status"], execution["output"]) == ("completed", [{"count": 10}])
    assert statuses_by_path(execution)["l"] == "failed"


@pytest.mark.parametrize("room", [9, 2_600])
def test_stop_and_respond_in_a_slice_are_the_executions(
    me: RegisteredUser, starter: Starter, calls: Calls, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    monkeypatch.setattr(levels, "PLANNED_OPERATIONS", room)
    answer = node("answer", "respond", body="{{ $nodes.l.output.n }}")
    execution = execute_workflow(me, starter, loop_over(http("a"), answer), numbered_items(10), "Responds")
    assert (execution["status"], execution["output"]) == ("completed", 9)
    value = loop_over(http("a"), node("if", "if", condition="{{ $nodes.l.output.n = 4 }}"))
    value["nodes"].append(node("stop", "stop"))
    value["connections"] = [
        each for each in value["connections"] if (each["sourceNodeId"], each["targetNodeId"]) != ("if", "l")
    ] + [connect("if.false > l"), connect("if.true > stop")]
    calls.seen.clear()
    execution = execute_workflow(me, starter, value, numbered_items(10), "Stops")
    assert execution["status"] == "completed", execution["error"]
    assert calls.seen == [str(number) for number in range(5)]


def test_cancelling_an_execution_cancels_its_slice(
    me: RegisteredUser, starter: Starter, calls: Calls, with_few_operations: None
) -> None:
    execution = start_execution(me, create_workflow(me, loop_over(http("a"))), numbered_items(10))

    def cancel(body: str) -> None:
        if body == "4":
            assert me.client.post(f"{execution}/cancel").status == 200

    calls.then = cancel
    starter.run_pending()
    done = me.client.get(execution).json
    assert (done["status"], done["error"]["code"]) == ("cancelled", "cancelled")
    assert [each["status"] for each in list_slices(me)] == ["completed", "cancelled"]
    assert calls.seen == [str(number) for number in range(5)]


def test_pausing_an_execution_pauses_its_slice(
    me: RegisteredUser, starter: Starter, calls: Calls, with_few_operations: None
) -> None:
    execution = start_execution(me, create_workflow(me, loop_over(http("a"))), numbered_items(10))

    def pause(body: str) -> None:
        if body == "4":
            assert me.client.post(f"{execution}/pause").status == 200

    calls.then = pause
    starter.run_pending()
    assert [each["status"] for each in list_slices(me)] == ["completed", "paused"]
    assert calls.seen == [str(number) for number in range(5)]
    assert me.client.post(f"{execution}/resume").status == 200
    starter.run_pending()
    assert me.client.get(execution).json["status"] == "completed"
    assert calls.seen == [str(number) for number in range(10)]


def test_the_time_of_a_slice_counts_towards_the_executions_timeout(
    me: RegisteredUser,
    starter: Starter,
    calls: Calls,
    with_few_operations: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passed = timedelta()
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + passed)

    def later(body: str) -> None:
        nonlocal passed
        passed += timedelta(seconds=20)

    calls.then = later
    value = loop_over(http("a"))
    value["settings"] = {"timeoutSeconds": 90}
    execution = execute_workflow(me, starter, value, numbered_items(10))
    assert (execution["status"], execution["error"]["code"]) == ("timeout", "timeout")
    assert calls.seen == [str(number) for number in range(5)]


def test_a_retry_continues_where_the_loop_failed(
    me: RegisteredUser, starter: Starter, calls: Calls, with_few_operations: None
) -> None:
    calls.bad = {"7"}
    failed = execute_workflow(me, starter, loop_over(http("a")), numbered_items(10))
    part = list_slices(me)[-1]
    assert me.client.post(f"/v1/executions/{part['id']}/retry", {}).json["code"] == "part_of_run"
    calls.bad = {"9"}
    calls.seen.clear()
    again = me.client.post(f"/v1/executions/{failed['id']}/retry", {}).headers["Location"]
    starter.run_pending()
    assert me.client.get(again).json["error"]["code"] == "http_404"
    assert calls.seen == ["7", "8", "9"]
    calls.bad = set()
    third = me.client.post(f"{again}/retry", {}).headers["Location"]
    starter.run_pending()
    done = me.client.get(third).json
    assert (done["status"], done["output"]) == ("completed", [{"count": 10}])
    assert calls.seen == ["7", "8", "9", "9"]
    reused = {each["path"]: each["retriedFrom"] for each in done["nodes"] if "-" in each["path"]}
    assert reused["l.1-3"] == reused["l.4-6"] == reused["l.7-9"] == again.rpartition("/")[2]


def test_a_sliced_execution_fails_before_the_platforms_limit_of_operations(
    me: RegisteredUser,
    starter: Starter,
    calls: Calls,
    with_few_operations: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(levels, "MAX_OPERATIONS", 20)
    execution = execute_workflow(me, starter, loop_over(http("a"), onError="continue"), numbered_items(30))
    assert (execution["status"], execution["error"]["code"]) == ("failed", "too_many_operations")
