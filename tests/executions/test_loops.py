"""Loops that one run could not do: their batches are done in runs of their own, as they would be in one."""

from collections import Counter
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.agents.runs import Starter
from tests.executions.runs import begun, made, ran, statuses
from tests.factories import Registered
from tests.recorded import Recorded
from tests.workflows.definitions import connect, definition, node
from weconnect import clock, durable
from weconnect.executions import journal
from weconnect.outbound import client as outbound
from weconnect.outbound.client import OutboundResponse
from weconnect.workflows.engine import levels, loops, node_executor


class Calls:
    """Bodies that were sent, in order; `bad` ones are refused, and `then` is done at each."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.keys: Counter[str] = Counter()
        self.bad: set[str] = set()
        self.then = lambda body: None

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
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for three iterations of a body with one effect."""
    monkeypatch.setattr(levels, "ROOM", 9)


def http(id: str, url: str = "https://example.com/{{ n }}", **more: Any) -> dict[str, Any]:
    return node(id, "http_request", method="POST", url=url, **more)


def looped(*body: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A loop over the body's nodes, one after the other, and what counts what came back."""
    ids = [each["id"] for each in body]
    count = node("count", "aggregate", operations=[{"function": "count", "as": "count"}])
    links = [*(f"{a} > {b}" for a, b in pairwise(ids)), f"{ids[-1]} > l"]
    loop = node("l", "loop", **{"maxIterations": 10_000} | more)
    return definition([loop, *body, count], "start > l", f"l.loop > {ids[0]}", *links, "l.done > count")


def numbered(count: int) -> list[dict[str, Any]]:
    return [{"n": number} for number in range(count)]


def parts(me: Registered) -> list[Any]:
    """The runs that did batches, oldest first, with their nodes."""
    found = me.client.get("/v1/executions?mode=subworkflow&limit=100").json["items"]
    found = sorted(found, key=lambda each: each["createdAt"])
    return [me.client.get(f"/v1/executions/{each['id']}").json for each in found]


class Counted(Starter):
    """Keeps the steps of each run."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[Recorded] = []

    def run_next(self, steps: Any = None) -> None:
        self.steps.append(Recorded())
        super().run_next(self.steps[-1])


def test_a_thousand_items_with_an_effect(
    me: Registered, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    starter = Counted()
    monkeypatch.setattr(durable, "lambda_client", lambda: starter)
    run = ran(me, starter, looped(http("a")), numbered(1_000))
    assert (run["status"], run["output"]) == ("completed", [{"count": 1_000}]), run["error"]
    assert calls.seen == [str(number) for number in range(1_000)]
    assert set(calls.keys.values()) == {1} and len(calls.keys) == 1_000
    assert len(starter.steps) == 3 and all(len(each.names) < 3_000 for each in starter.steps)
    first, second = parts(me)
    assert {each["parentExecutionId"] for each in (first, second)} == {run["id"]}
    assert {each["workflowId"] for each in (first, second)} == {run["workflowId"]}
    assert (len(first["nodes"]), len(second["nodes"])) == (866, 134)
    assert (first["nodes"][0]["path"], second["nodes"][-1]["path"]) == ("a.1", "a.1000")
    by_path = {each["path"]: each for each in run["nodes"]}
    assert set(by_path) == {"start", "l.1-866", "l.867-1000", "l", "count"}
    assert by_path["l"]["executionIds"] == [first["id"], second["id"]]
    assert by_path["l.867-1000"]["executionIds"] == [second["id"]]
    assert me.client.get(f"/v1/workflows/{run['workflowId']}").json["executionCount"] == 1


def test_what_only_computes_stays_in_the_run(me: Registered, starter: Starter) -> None:
    body = node("a", "set", values={"n": "{{ n + 1 }}"})
    run = ran(me, starter, looped(body), numbered(2_000))
    assert (run["status"], run["output"]) == ("completed", [{"count": 2_000}]), run["error"]
    assert parts(me) == []


def test_loops_that_only_compute_end(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "MOST_ITERATIONS_OF_A_RUN", 20)
    monkeypatch.setattr(journal, "MOST_SHOWN", 10)
    run = ran(me, starter, looped(node("a", "noop")), numbered(20), "Just so many")
    assert run["status"] == "completed" and run["nodesRun"] == 23
    assert [each["path"] for each in run["nodes"]] == [
        *(f"a.{number}" for number in range(13, 21)),
        "l",
        "count",
    ]
    run = ran(me, starter, looped(node("a", "noop")), numbered(21), "One more")
    assert (run["status"], run["error"]["code"]) == ("failed", "too_many_iterations")


def test_the_body_sees_what_it_would_see_in_the_run(
    me: Registered, starter: Starter, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's input and id, variables, nodes before, and what an iteration before has answered."""
    assert me.client.post("/v1/variables", {"name": "by", "value": "2"}).status == 201
    values = {
        "n": "{{ $nodes.l.output.n * $number($vars.by) }}",
        "sum": "{{ $nodes.l.output.n + ($exists($nodes.sum.output.sum) ? $nodes.sum.output.sum : 0) }}",
        "first": "{{ $trigger[0].n }}",
        "all": "{{ $count($nodes.before.items) }}",
        "id": "{{ $execution.id }}",
        "mode": "{{ $execution.mode }}",
    }
    value = looped(http("a"), node("sum", "set", values=values, keepInput=False))
    value["nodes"] += [
        node("before", "noop"),
        node("end", "set", values={"sum": "{{ $nodes.sum.output.sum }}"}),
    ]
    value["connections"][0] = connect("start > before")
    value["connections"] += [connect("before > l"), connect("count > end")]
    path = made(me, value)
    for room in (2_600, 9):
        monkeypatch.setattr(levels, "ROOM", room)
        run = begun(me, path, numbered(10))
        starter.run_pending()
        done = me.client.get(run).json
        assert (done["status"], done["output"]) == ("completed", [{"count": 10, "sum": 45}]), done["error"]
        loop = next(each for each in done["nodes"] if each["path"] == "l")
        items = me.client.get(f"{run}/nodes/{loop['id']}").json["output"]["done"]
        common = {"first": 0, "all": 10, "id": done["id"], "mode": "api"}
        assert [item["sum"] for item in items] == [0, 1, 3, 6, 10, 15, 21, 28, 36, 45]
        assert items[9] == {"n": 18, "sum": 45} | common
    assert len(parts(me)) == 4


def test_loops_in_loops(me: Registered, starter: Starter, calls: Calls, small: None) -> None:
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
    given = [{"parts": numbered(5)}, {"parts": [{"n": 5}]}, {"parts": [{"n": 6}]}]
    run = ran(me, starter, value, given)
    assert (run["status"], run["output"]) == ("completed", [{"n": 7}]), run["error"]
    assert calls.seen == [str(number) for number in range(7)]
    ran_nodes = [path for part in parts(me) for path in statuses(part) if path.startswith("call")]
    assert ran_nodes == ["call.1.1", "call.1.2", "call.1.3", "call.1.4", "call.1.5", "call.1.6", "call.2.1"]


def test_more_slices_than_a_run_waits_for(
    me: Registered, starter: Starter, calls: Calls, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are slices of slices."""
    monkeypatch.setattr(loops, "MOST_SLICES", 2)
    run = ran(me, starter, looped(http("a")), numbered(16))
    assert (run["status"], run["output"]) == ("completed", [{"count": 16}]), run["error"]
    assert calls.seen == [str(number) for number in range(16)]
    found = {tuple(each["path"] for each in part["nodes"] if "-" in each["path"]) for part in parts(me)}
    assert ("l.1-4", "l.5-8") in found and ("l.9-12", "l.13-16") in found


@pytest.mark.parametrize("room", [9, 2_600])
def test_an_error_is_that_of_the_run(
    me: Registered, starter: Starter, calls: Calls, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    monkeypatch.setattr(levels, "ROOM", room)
    calls.bad = {"7"}
    run = ran(me, starter, looped(http("a")), numbered(10), "Stops")
    assert (run["status"], run["error"]["code"], run["error"]["nodeId"]) == ("failed", "http_404", "a")
    assert calls.seen == [str(number) for number in range(8)]
    run = ran(me, starter, looped(http("a", onError="continue")), numbered(10), "Continues")
    assert (run["status"], run["output"]) == ("completed", [{"count": 10}])
    run = ran(me, starter, looped(http("a"), onError="continue"), numbered(10), "Loop continues")
    assert (run["status"], run["output"]) == ("completed", [{"count": 10}])
    value = looped(http("a"), onError="error_output")
    value["connections"][-1]["sourceOutput"] = "error"
    run = ran(me, starter, value, numbered(10), "Loop's error")
    assert (run["status"], run["output"]) == ("completed", [{"count": 10}])
    assert statuses(run)["l"] == "failed"


@pytest.mark.parametrize("room", [9, 2_600])
def test_stop_and_respond_are_those_of_the_run(
    me: Registered, starter: Starter, calls: Calls, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    monkeypatch.setattr(levels, "ROOM", room)
    answer = node("answer", "respond", body="{{ $nodes.l.output.n }}")
    run = ran(me, starter, looped(http("a"), answer), numbered(10), "Responds")
    assert (run["status"], run["output"]) == ("completed", 9)
    value = looped(http("a"), node("if", "if", condition="{{ $nodes.l.output.n = 4 }}"))
    value["nodes"].append(node("stop", "stop"))
    value["connections"] = [
        each for each in value["connections"] if (each["sourceNodeId"], each["targetNodeId"]) != ("if", "l")
    ] + [connect("if.false > l"), connect("if.true > stop")]
    calls.seen.clear()
    run = ran(me, starter, value, numbered(10), "Stops")
    assert run["status"] == "completed", run["error"]
    assert calls.seen == [str(number) for number in range(5)]


def test_cancelling_in_the_middle(me: Registered, starter: Starter, calls: Calls, small: None) -> None:
    run = begun(me, made(me, looped(http("a"))), numbered(10))

    def cancel(body: str) -> None:
        if body == "4":
            assert me.client.post(f"{run}/cancel").status == 200

    calls.then = cancel
    starter.run_pending()
    done = me.client.get(run).json
    assert (done["status"], done["error"]["code"]) == ("cancelled", "cancelled")
    assert [each["status"] for each in parts(me)] == ["completed", "cancelled"]
    assert calls.seen == [str(number) for number in range(5)]


def test_pausing_in_the_middle(me: Registered, starter: Starter, calls: Calls, small: None) -> None:
    run = begun(me, made(me, looped(http("a"))), numbered(10))

    def pause(body: str) -> None:
        if body == "4":
            assert me.client.post(f"{run}/pause").status == 200

    calls.then = pause
    starter.run_pending()
    assert [each["status"] for each in parts(me)] == ["completed", "paused"]
    assert calls.seen == [str(number) for number in range(5)]
    assert me.client.post(f"{run}/resume").status == 200
    starter.run_pending()
    assert me.client.get(run).json["status"] == "completed"
    assert calls.seen == [str(number) for number in range(10)]


def test_the_time_of_a_part_is_that_of_the_run(
    me: Registered, starter: Starter, calls: Calls, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = timedelta()
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + passed)

    def later(body: str) -> None:
        nonlocal passed
        passed += timedelta(seconds=20)

    calls.then = later
    value = looped(http("a"))
    value["settings"] = {"timeoutSeconds": 90}
    run = ran(me, starter, value, numbered(10))
    assert (run["status"], run["error"]["code"]) == ("timeout", "timeout")
    assert calls.seen == [str(number) for number in range(5)]


def test_a_retry_goes_on_where_the_loop_failed(
    me: Registered, starter: Starter, calls: Calls, small: None
) -> None:
    calls.bad = {"7"}
    failed = ran(me, starter, looped(http("a")), numbered(10))
    part = parts(me)[-1]
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
    kept = {each["path"]: each["retriedFrom"] for each in done["nodes"] if "-" in each["path"]}
    assert kept["l.1-3"] == kept["l.4-6"] == kept["l.7-9"] == again.rpartition("/")[2]


def test_a_run_ends_before_the_platform_ends_it(
    me: Registered, starter: Starter, calls: Calls, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_executor, "OPERATIONS", 20)
    run = ran(me, starter, looped(http("a"), onError="continue"), numbered(30))
    assert (run["status"], run["error"]["code"]) == ("failed", "too_many_operations")
