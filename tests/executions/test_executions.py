"""Runs of workflows: how items flow, errors, waiting, cancelling, retrying; carried out step by step in memory."""

import random
from datetime import timedelta
from typing import Any

import boto3
import pytest

from tests.agents.runs import Starter
from tests.executions.runs import begun, made, ran, statuses
from tests.factories import Registered
from tests.recorded import Recorded
from tests.workflows.definitions import connect, definition, node
from weconnect import clock
from weconnect.executions import journal, sweeper
from weconnect.outbound import client as outbound
from weconnect.outbound.client import OutboundResponse
from weconnect.workflows.engine import express as inline
from weconnect.workflows.engine import node_executor


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Addresses that were called, with their idempotency keys; `/status/500` answers that."""
    seen: list[tuple[str, str]] = []

    def send(method: str, url: str, **options: Any) -> OutboundResponse:
        seen.append((url, options["headers"].get("idempotency-key", "")))
        status = int(url.rpartition("/status/")[2]) if "/status/" in url else 200
        headers = {"content-type": "application/json"}
        return OutboundResponse(status, headers, b'{"ok": true}', url)

    monkeypatch.setattr(outbound, "send", send)
    return seen


def http(id: str, url: str = "https://example.com", **more: Any) -> dict[str, Any]:
    return node(id, "http_request", method="POST", url=url, **more)


def test_items_flow(me: Registered, starter: Starter) -> None:
    value = definition(
        [
            node("split", "split", field="orders"),
            node("big", "if", condition="{{ amount > 10 }}"),
            node("yes", "set", values={"kind": "big", "all": "{{ $count($input) }}", "at": "{{ $index }}"}),
            node("no", "set", values={"kind": "small", "first": "{{ $nodes.split.output.amount }}"}),
            node("merge", "merge"),
            node("sum", "aggregate", operations=[{"function": "sum", "field": "amount", "as": "total"}]),
        ],
        "start > split",
        "split > big",
        "big.true > yes",
        "big.false > no",
        "yes > merge.a",
        "no > merge.b",
        "merge > sum",
    )
    orders = [{"amount": 5}, {"amount": 20}, {"amount": 30}]
    run = ran(me, starter, value, {"orders": orders})
    assert (run["status"], run["output"], run["error"]) == ("completed", [{"total": 55}], None)
    assert run["progress"] == 100 and run["nodesRun"] == 7 and run["nodesSkipped"] == 0
    path = f"/v1/executions/{run['id']}"
    merged = next(each for each in run["nodes"] if each["nodeId"] == "merge")
    whole = me.client.get(f"{path}/nodes/{merged['id']}").json
    assert whole["input"]["a"][1] == {"amount": 30, "kind": "big", "all": 2, "at": 1}
    assert [item["amount"] for item in whole["output"]["main"]] == [20, 30, 5]
    workflow = me.client.get(f"/v1/workflows/{run['workflowId']}")
    assert workflow.json["executionCount"] == 1 and workflow.json["lastExecutedAt"]
    assert workflow.headers["ETag"] == '"2"', "a run breaks nobody's If-Match"


def test_what_nothing_comes_to_is_skipped(me: Registered, starter: Starter) -> None:
    value = definition(
        [
            node("if", "if", condition="{{ ok }}"),
            node("yes", "noop"),
            node("no", "noop"),
            node("after", "noop"),
            node("both", "merge", mode="all"),
            node("any", "merge", mode="any"),
        ],
        *("start > if", "if.true > yes", "if.false > no", "no > after"),
        *("yes > both.a", "no > both.b", "yes > any.a", "after > any.b"),
    )
    run = ran(me, starter, value, {"ok": True})
    expected = {"no": "skipped", "after": "skipped", "both": "skipped"}
    assert {path: status for path, status in statuses(run).items() if status != "completed"} == expected
    assert run["output"] == [{"ok": True}] and run["nodesSkipped"] == 3


def test_a_connection_takes_what_its_condition_holds_for(me: Registered, starter: Starter) -> None:
    value = definition([node("a", "noop")])
    value["connections"] = [connect("start > a", "n > 1")]
    assert ran(me, starter, value, [{"n": 1}, {"n": 2}])["output"] == [{"n": 2}]


def test_a_disabled_node_passes_items_on(me: Registered, starter: Starter) -> None:
    value = definition([node("a", "set", values={"x": 1}, isEnabled=False)], "start > a")
    assert ran(me, starter, value, {"n": 1})["output"] == [{"n": 1}]


def test_loops(me: Registered, starter: Starter, calls: list[tuple[str, str]]) -> None:
    value = definition(
        [
            node("outer", "loop", batchSize=2),
            node("split", "split", field="parts"),
            node("inner", "loop"),
            http("call", "https://example.com/{{ n }}"),
            node("mark", "set", values={"outer": "{{ $count($nodes.outer.items) }}"}),
            node("end", "aggregate", operations=[{"function": "count", "as": "n"}]),
        ],
        *("start > outer", "outer.loop > split", "split > inner", "inner.loop > call", "call > inner"),
        *("inner.done > mark", "mark > outer", "outer.done > end"),
    )
    given = [{"parts": [{"n": 1}, {"n": 2}]}, {"parts": [{"n": 3}]}, {"parts": [{"n": 4}]}]
    run = ran(me, starter, value, given)
    assert run["status"] == "completed", run["error"]
    assert run["output"] == [{"n": 4}]
    assert [url for url, _ in calls] == [f"https://example.com/{n}" for n in (1, 2, 3, 4)]
    assert len({key for _, key in calls}) == 4
    assert [path for path in statuses(run) if path.startswith("call")] == [
        "call.1.1",
        "call.1.2",
        "call.1.3",
        "call.2.1",
    ]


def test_a_loop_is_bounded(me: Registered, starter: Starter) -> None:
    value = definition(
        [node("l", "loop", maxIterations=2), node("a", "noop")], "start > l", "l.loop > a", "a > l"
    )
    run = ran(me, starter, value, [{}, {}, {}])
    assert (run["status"], run["error"]["code"]) == ("failed", "too_many_iterations")


def test_pure_nodes_take_no_steps(me: Registered, starter: Starter, calls: list[tuple[str, str]]) -> None:
    nodes = [node(f"s{n}", "set", values={"n": n}) for n in range(9)]
    chain = ["start > s0", *(f"s{n} > s{n + 1}" for n in range(8))]
    begun(me, made(me, definition([*nodes, http("call")], *chain, "s8 > call")))
    starter.run_pending(steps := Recorded())
    assert steps.names == ["load", "call~1", "finish"]


def test_effects_that_are_ready_together_run_side_by_side(
    me: Registered, starter: Starter, calls: list[tuple[str, str]]
) -> None:
    value = definition(
        [http("a"), http("b"), node("end", "merge")], "start > a", "start > b", "a > end.a", "b > end.b"
    )
    begun(me, made(me, value))
    starter.run_pending(steps := Recorded())
    assert steps.names == ["load", "branches-1-1/a~1", "branches-1-2/b~1", "finish"]


def test_a_failed_node_ends_the_run(me: Registered, starter: Starter, calls: list[tuple[str, str]]) -> None:
    value = definition([http("a", "https://x/status/404"), node("b", "noop")], "start > a", "a > b")
    run = ran(me, starter, value)
    assert run["status"] == "failed" and run["output"] is None
    assert run["error"] == {
        "code": "http_404",
        "message": 'The answer\'s status is 404: {"ok": true}',
        "nodeId": "a",
        "retryable": False,
    }
    assert (run["nodesRun"], run["nodesFailed"]) == (2, 1)
    logs = me.client.get(f"/v1/executions/{run['id']}/logs?level=error").json["items"]
    assert [(line["nodeId"], line["data"]["code"]) for line in logs] == [("a", "http_404")]


@pytest.mark.parametrize(("on_error", "output"), [("continue", "main"), ("error_output", "error")])
def test_errors_can_be_items(
    me: Registered, starter: Starter, calls: list[tuple[str, str]], on_error: str, output: str
) -> None:
    value = definition(
        [http("a", "https://x/status/404", onError=on_error), node("b", "noop")],
        "start > a",
        f"a.{output} > b",
    )
    run = ran(me, starter, value, {"n": 1})
    assert run["status"] == "completed"
    assert run["output"][0]["n"] == 1 and run["output"][0]["error"]["code"] == "http_404"
    assert statuses(run) == {"start": "completed", "a": "failed", "b": "completed"}


def test_retries_are_counted_and_wait_longer(
    me: Registered, starter: Starter, calls: list[tuple[str, str]]
) -> None:
    retry = {"maxAttempts": 3, "backoff": "exponential", "delaySeconds": 10, "maxDelaySeconds": 15}
    begun_at = begun(me, made(me, definition([http("a", "https://x/status/503", retry=retry)], "start > a")))
    starter.run_pending(steps := Recorded())
    run = me.client.get(begun_at).json
    assert [(each["attempt"], each["status"]) for each in run["nodes"][1:]] == [
        (n, "failed") for n in (1, 2, 3)
    ]
    assert 10 <= steps.waited[0] <= 13 and steps.waited[1] == 15
    assert len({key for _, key in calls}) == 3
    assert run["error"]["code"] == "http_503" and run["error"]["retryable"] is True


@pytest.mark.parametrize(
    ("status", "on", "tries"), [(404, [], 1), (404, ["http_404"], 2), (503, ["http_404"], 1)]
)
def test_only_chosen_errors_are_tried_again(
    me: Registered, starter: Starter, calls: list[tuple[str, str]], status: int, on: list[str], tries: int
) -> None:
    one = http("a", f"https://x/status/{status}", retry={"maxAttempts": 2, "on": on})
    ran(me, starter, definition([one], "start > a"))
    assert len(calls) == tries


def test_respond_and_stop(me: Registered, starter: Starter) -> None:
    value = definition(
        [
            node("say", "respond", body={"hello": "{{ name }}"}),
            node("stop", "stop"),
            node("after", "set", values={"x": 1}),
        ],
        "start > say",
        "say > stop",
        "start > after",
    )
    run = ran(me, starter, value, {"name": "Ada"})
    assert run["output"] == {"hello": "Ada"}
    failing = definition([node("stop", "stop", outcome="failed", message="enough {{ n }}")], "start > stop")
    run = ran(me, starter, failing, {"n": 1}, "Other")
    assert (run["status"], run["error"]["code"], run["error"]["message"]) == ("failed", "stopped", "enough 1")


def test_the_trigger_of_the_mode_begins(me: Registered, starter: Starter) -> None:
    value = definition([node("hook", "webhook"), node("a", "set", values={"by": "{{ $execution.mode }}"})])
    value["connections"] = [connect("hook > a")]
    path = made(me, value)
    chosen = begun(me, path, triggerNodeId="hook")
    default = begun(me, path)
    starter.run_pending()
    assert me.client.get(chosen).json["output"] == [{"by": "api"}]
    assert me.client.get(default).json["output"] == [{}]
    refused = me.client.post(f"{path}/executions", {"triggerNodeId": "none"})
    assert refused.json["code"] == "trigger_not_found"


def test_starting_asks_for_an_active_workflow(me: Registered, starter: Starter) -> None:
    path = made(me, definition([node("a", "noop")], "start > a"))
    me.client.patch(path, {"nodes": [node("start", "manual")], "connections": []})
    me.client.post(f"{path}/deactivate")
    refused = me.client.post(f"{path}/executions", {})
    assert (refused.status, refused.json["code"]) == (409, "workflow_inactive")
    run = begun(me, path, mode="test")
    assert me.client.get(run).json["workflowVersion"] == 2
    me.client.patch(path, {"nodes": []})
    refused = me.client.post(f"{path}/executions", {"mode": "test"})
    assert (refused.status, refused.json["code"]) == (422, "workflow_invalid")
    huge = me.client.post(f"{path}/executions", {"input": "x" * 1_100_000, "mode": "test"})
    assert huge.status in (413, 422)


# Waiting


def test_waiting_for_a_time(me: Registered, starter: Starter) -> None:
    value = definition([node("w", "wait", seconds=90), node("b", "noop")], "start > w", "w > b")
    begun_at = begun(me, made(me, value), {"n": 1})
    starter.run_pending(steps := Recorded())
    assert steps.waited == [90]
    run = me.client.get(begun_at).json
    assert (run["status"], run["output"]) == ("completed", [{"n": 1}])


def test_a_callback_goes_on_with_its_value(me: Registered, starter: Starter) -> None:
    value = definition(
        [
            node("tell", "set", values={"token": "{{ $execution.callbackToken }}"}),
            node("w", "wait", until="callback", seconds=60),
            node("other", "set", values={"done": True}),
        ],
        *("start > tell", "tell > w", "start > other"),
    )
    run = begun(me, made(me, value))
    starter.run_pending()
    waiting = me.client.get(run).json
    assert (waiting["status"], waiting["currentNodeIds"]) == ("waiting", ["w"])
    assert statuses(waiting)["other"] == "completed", "what need not wait has run"
    told = next(each for each in waiting["nodes"] if each["nodeId"] == "tell")
    token = me.client.get(f"{run}/nodes/{told['id']}").json["output"]["main"][0]["token"]
    answer = me.client.post(f"/v1/callbacks/{token[:-1]}x", {"value": 1})
    assert answer.status == 404
    assert me.client.post(f"/v1/callbacks/{token}", {"value": {"n": 5}}).json == {"completed": True}
    assert me.client.post(f"/v1/callbacks/{token}", {"value": 1}).status == 409
    done = me.client.get(run).json
    assert (done["status"], done["output"]) == ("completed", [{"n": 5}])


def test_a_callback_that_nobody_completes(me: Registered, starter: Starter) -> None:
    value = definition(
        [node("w", "wait", until="callback"), node("late", "set", values={"late": True})],
        "start > w",
        "w.timeout > late",
    )
    run = begun(me, made(me, value), {"n": 1})
    steps = Recorded()
    steps.sent["w~1/callback"] = None
    starter.run_pending(steps)
    assert me.client.get(run).json["output"] == [{"n": 1, "late": True}]


APPROVAL = definition(
    [
        node("ask", "approval", message="Pay {{ amount }}?", values={"amount": "{{ amount }}"}),
        node("pay", "set", values={"paid": "{{ amount }}"}),
        node("no", "set", values={"refused": "{{ approval.note }}"}),
    ],
    *("start > ask", "ask.approved > pay", "ask.denied > no"),
)


@pytest.mark.parametrize(
    ("decision", "found"),
    [
        ({"decision": "approve"}, {"amount": 5, "paid": 5}),
        ({"decision": "approve", "arguments": {"amount": 3}}, {"amount": 3, "paid": 3}),
        ({"decision": "deny", "note": "too much"}, {"amount": 5, "refused": "too much"}),
    ],
)
def test_an_approval(
    me: Registered, starter: Starter, decision: dict[str, Any], found: dict[str, Any]
) -> None:
    run = begun(me, made(me, APPROVAL), {"amount": 5})
    starter.run_pending()
    assert me.client.get(run).json["status"] == "waiting"
    (asked,) = me.client.get("/v1/approvals").json["items"]
    assert (asked["runType"], asked["toolName"], asked["message"]) == ("workflow", "ask", "Pay 5?")
    assert me.client.post(f"/v1/approvals/{asked['id']}/decide", decision).status == 200
    (item,) = me.client.get(run).json["output"]
    approval = item.pop("approval")
    assert item == found
    assert (approval["approvalId"], approval["decidedBy"]) == (asked["id"], me.user["id"])


def test_an_approval_is_taken_back_with_its_run(me: Registered, starter: Starter) -> None:
    run = begun(me, made(me, APPROVAL), {"amount": 5})
    starter.run_pending()
    assert me.client.post(f"{run}/cancel").json["status"] == "cancelled"
    assert me.client.get("/v1/approvals").json["items"] == []
    assert len(me.client.get("/v1/approvals?status=cancelled").json["items"]) == 1
    assert me.client.get(run).json["status"] == "cancelled"


def test_cancelling(me: Registered, starter: Starter, calls: list[tuple[str, str]]) -> None:
    value = definition([node("w", "wait", until="callback"), http("a")], "start > w", "w > a")
    path = made(me, value)
    pending = begun(me, path)
    assert me.client.post(f"{pending}/cancel").json["status"] == "cancelled"
    starter.run_pending()
    waiting = begun(me, path)
    starter.run_pending()
    assert me.client.post(f"{waiting}/cancel").json["status"] == "cancelled"
    starter.send_durable_execution_callback_success(CallbackId="w~1/callback", Result="{}")
    done = me.client.get(waiting).json
    assert done["status"] == "cancelled" and done["error"]["code"] == "cancelled"
    assert calls == []
    assert me.client.post(f"{waiting}/cancel").json["code"] == "already_finished"


def test_a_running_run_stops_before_its_next_effect(
    me: Registered, starter: Starter, calls: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(me, made(me, definition([http("a"), http("b")], "start > a", "a > b")))
    send = outbound.send

    def cancelling(*arguments: Any, **options: Any) -> OutboundResponse:
        assert me.client.post(f"{run}/cancel").json["status"] == "running"
        return send(*arguments, **options)

    monkeypatch.setattr(outbound, "send", cancelling)
    starter.run_pending()
    done = me.client.get(run).json
    assert done["status"] == "cancelled" and len(calls) == 1
    assert statuses(done) == {"start": "completed", "a": "completed"}


def test_pausing_and_resuming(
    me: Registered, starter: Starter, calls: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(me, made(me, definition([http("a"), http("b")], "start > a", "start > b")))
    assert me.client.post(f"{run}/resume").json["code"] == "not_paused"
    assert me.client.post(f"{run}/pause").json["pauseRequestedAt"]
    starter.run_pending()
    paused = me.client.get(run).json
    assert paused["status"] == "paused" and calls == []
    assert me.client.post(f"{run}/resume").json["status"] in ("running", "completed")
    done = me.client.get(run).json
    assert done["status"] == "completed" and len(calls) == 2
    assert me.client.post(f"{run}/pause").json["code"] == "already_finished"


@pytest.mark.parametrize(("slow", "status"), [("w", "completed"), ("a", "timeout")])
def test_a_run_has_its_own_time(
    me: Registered,
    starter: Starter,
    calls: list[tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    slow: str,
    status: str,
) -> None:
    """Waiting is not counted, working is."""
    now, late = clock.now, [0]
    monkeypatch.setattr(clock, "now", lambda: now() + timedelta(seconds=late[0]))
    nodes = [node("w", "wait", seconds=100), http("a"), http("b")]
    value = definition(nodes, "start > w", "w > a", "a > b", timeoutSeconds=50)
    run = begun(me, made(me, value))

    class Slow(Recorded):
        def wait(self, name: str, seconds: int) -> None:
            late[0] += seconds
            super().wait(name, seconds)

    send = outbound.send

    def slowly(*arguments: Any, **options: Any) -> OutboundResponse:
        late[0] += 60 if slow == "a" else 0
        return send(*arguments, **options)

    monkeypatch.setattr(outbound, "send", slowly)
    starter.run_pending(Slow())
    assert me.client.get(run).json["status"] == status
    assert len(calls) == (2 if status == "completed" else 1)


# Again


def test_retry_from_the_failed_node_keeps_what_was_done(
    me: Registered, starter: Starter, calls: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    value = definition([http("a", "https://x/ok"), http("b", "https://x/status/503")], "start > a", "a > b")
    failed = ran(me, starter, value, {"n": 1})
    assert failed["status"] == "failed"
    monkeypatch.setattr(
        outbound,
        "send",
        lambda m, url, **o: calls.append((url, "")) or OutboundResponse(200, {}, b"fine", url),
    )
    calls.clear()
    again = me.client.post(f"/v1/executions/{failed['id']}/retry")
    assert again.status == 202 and again.json["retryOf"] == failed["id"] and again.json["retryCount"] == 1
    starter.run_pending()
    done = me.client.get(again.headers["Location"]).json
    assert done["status"] == "completed" and [url for url, _ in calls] == ["https://x/status/503"]
    assert [each["retriedFrom"] for each in done["nodes"]] == [None, failed["id"], None]
    whole = me.client.post(f"/v1/executions/{failed['id']}/retry", {"from": "start"})
    starter.run_pending()
    assert me.client.get(whole.headers["Location"]).json["input"] == {"n": 1} and len(calls) == 3


def test_an_error_workflow_is_started_once(me: Registered, starter: Starter) -> None:
    handling = {
        "nodes": [node("start", "error"), node("a", "stop", outcome="failed", message="{{ error.code }}")],
        "connections": [connect("start > a")],
    }
    handler = made(me, handling, "Handler").rpartition("/")[2]
    me.client.patch(f"/v1/workflows/{handler}", {"settings": {"errorWorkflowId": handler}})
    me.client.post(f"/v1/workflows/{handler}/activate", {})
    failing = definition([node("s", "stop", outcome="failed")], "start > s", errorWorkflowId=handler)
    failed = ran(me, starter, failing)
    handled = me.client.get(f"/v1/executions?workflowId={handler}").json["items"]
    assert [(each["parentExecutionId"], each["mode"], each["error"]["message"]) for each in handled] == [
        (failed["id"], "event", "stopped")
    ]


def test_a_subworkflow_is_a_run_of_its_own(me: Registered, starter: Starter) -> None:
    inner = made(me, definition([node("a", "set", values={"double": "{{ n * 2 }}"})], "start > a"), "Inner")
    value = definition(
        [node("sub", "subworkflow", workflowId=inner.rpartition("/")[2]), node("b", "noop")],
        "start > sub",
        "sub > b",
    )
    run = ran(me, starter, value, [{"n": 1}, {"n": 2}])
    assert run["output"] == [{"n": 1, "double": 2}, {"n": 2, "double": 4}]
    (child,) = me.client.get("/v1/executions?mode=subworkflow").json["items"]
    assert child["parentExecutionId"] == run["id"]
    me.client.post(f"{inner}/deactivate")
    failed = ran(me, starter, value, name="Second")
    assert failed["error"]["code"] == "workflow_inactive"


def test_an_agent_is_part_of_the_run(me: Registered, starter: Starter) -> None:
    agent = me.client.post("/v1/agents", {"name": "Helper"}).headers["Location"]
    me.client.post(f"{agent}/tools", {"toolName": "calculator"})
    value = definition(
        [node("ask", "agent", agentId=agent.rpartition("/")[2], input="what is {{ a }} * {{ b }}?")],
        "start > ask",
    )
    run = ran(me, starter, value, {"a": 17, "b": 23})
    assert run["status"] == "completed", run["error"]
    assert "391" in run["output"][0]["output"]
    inner = me.client.get(f"{agent}/executions/{run['output'][0]['executionId']}").json
    assert inner["status"] == "completed" and inner["parentExecutionId"] == run["id"]


# Express


def test_a_short_run_is_carried_out_while_its_caller_waits(
    me: Registered, starter: Starter, calls: list[tuple[str, str]]
) -> None:
    path = made(
        me, definition([node("a", "set", values={"x": "{{ n + 1 }}"}), http("b")], "start > a", "a > b")
    )
    answer = me.client.post(f"{path}/executions", {"input": {"n": 1}}, headers={"Prefer": "wait=5"})
    assert answer.status == 200 and answer.headers["Preference-Applied"] == "wait=5"
    assert answer.json["isExpress"] is True and answer.json["output"][0]["body"] == {"ok": True}
    assert starter.asked == [] and len(calls) == 1
    run = me.client.get(answer.headers["Location"]).json
    assert run["status"] == "completed" and len(run["nodes"]) == 3
    assert me.client.post(f"/v1/executions/{run['id']}/pause").json["code"] == "express"


@pytest.mark.parametrize(("execution", "wait", "express"), [("express", 0, True), ("durable", 5, False)])
def test_settings_choose(me: Registered, starter: Starter, execution: str, wait: int, express: bool) -> None:
    path = made(me, definition([node("a", "noop")], "start > a", execution=execution))
    starter.fails = not express
    headers = {"Prefer": "wait=0"} if not wait else {}
    answer = me.client.post(f"{path}/executions", {}, headers=headers)
    assert answer.json["isExpress"] is express and answer.status == (200 if express else 202)


def test_the_sweeper_starts_again_and_closes(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = made(me, definition([node("a", "noop")], "start > a"))
    starter.fails = True
    run = begun(me, path)
    starter.fails = False
    monkeypatch.setattr(inline, "run", lambda *_: None)  # as if its function were gone
    left = me.client.post(f"{path}/executions", {}, headers={"Prefer": "wait=1"}).headers["Location"]
    assert me.client.get(left).json["status"] == "running"
    assert sweeper.sweep() == 0
    monkeypatch.setattr(sweeper, "SWEEP_AFTER_SECONDS", -5)
    monkeypatch.setattr(sweeper, "INTERRUPTED_AFTER_SECONDS", -5)
    assert sweeper.sweep() == 2
    starter.run_pending()
    assert me.client.get(run).json["status"] == "completed"
    ended = me.client.get(left).json
    assert (ended["status"], ended["error"]["code"]) == ("failed", "interrupted")


def test_the_platform_ends_what_its_function_could_not(me: Registered, starter: Starter) -> None:
    run = begun(me, made(me, definition([node("a", "noop")], "start > a")))
    (asked,) = starter.asked
    name = asked["DurableExecutionName"]
    assert len(name) == 64 and sweeper.close(name, "TIMED_OUT", "The platform ended it")
    done = me.client.get(run).json
    assert (done["status"], done["error"]["code"]) == ("timeout", "platform_timed_out")
    assert not sweeper.close(name, "FAILED", "again") and not sweeper.close("x" * 36, "FAILED", "an agent's")


# Looking at runs


def test_lists_and_pictures(me: Registered, starter: Starter, calls: list[tuple[str, str]]) -> None:
    path = made(me, definition([http("a", "https://x/status/404"), node("b", "noop")], "start > a", "a > b"))
    run = begun(me, path)
    waiting = begun(me, path)
    starter.asked.pop()
    starter.run_pending()
    workflow = path.rpartition("/")[2]
    for query, found in (
        ("", [waiting, run]),
        (f"workflowId={workflow}", [waiting, run]),
        ("status=failed", [run]),
        ("status=pending", [waiting]),
        (f"workflowId={workflow}&status=failed&mode=api", [run]),
        ("mode=webhook", []),
        ("from=2000-01-01T00:00:00Z&to=2001-01-01T00:00:00Z", []),
    ):
        items = me.client.get(f"/v1/executions?{query}").json["items"]
        assert [f"/v1/executions/{item['id']}" for item in items] == found, query
    timeline = me.client.get(f"{run}/timeline").json
    assert [(bar["nodeId"], bar["status"]) for bar in timeline["bars"]] == [
        ("start", "completed"),
        ("a", "failed"),
    ]
    svg = me.client.get(f"{run}/timeline", headers={"Accept": "image/svg+xml"})
    assert svg.headers["Content-Type"] == "image/svg+xml" and svg.text.startswith("<svg")
    diagram = me.client.get(f"{path}/diagram?executionId={run.rpartition('/')[2]}")
    assert diagram.text.startswith("flowchart LR") and "classDef failed" in diagram.text
    svg = me.client.get(f"{path}/diagram", headers={"Accept": "image/svg+xml"})
    assert svg.text.count("<path d=") == 3
    assert me.client.delete(waiting).json["code"] == "still_open"
    assert me.client.delete(run).status == 204 and me.client.get(run).status == 404


def test_one_node_by_itself(me: Registered, starter: Starter, calls: list[tuple[str, str]]) -> None:
    value = definition(
        [node("a", "set", values={"x": "{{ n + $nodes.start.output.m }}"}), node("w", "wait")],
        "start > a",
        "a > w",
    )
    path = made(me, value)
    body = {"input": {"main": [{"n": 1}]}, "nodes": {"start": {"main": [{"m": 2}]}}}
    answer = me.client.post(f"{path}/nodes/a/test", body).json
    assert (answer["status"], answer["output"]) == ("completed", {"main": [{"n": 1, "x": 3}]})
    failed = me.client.post(f"{path}/nodes/a/test", {"input": {"main": [{"n": "x"}]}}).json
    assert failed["error"]["code"] == "expression_failed"
    assert me.client.post(f"{path}/nodes/w/test", {}).json["code"] == "not_testable"
    assert me.client.post(f"{path}/nodes/none/test", {}).json["code"] == "node_not_found"


def test_a_run_ends_before_the_platform_ends_it(
    me: Registered, starter: Starter, calls: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_executor, "OPERATIONS", 6)
    value = definition([node("l", "loop"), http("a")], "start > l", "l.loop > a", "a > l")
    run = ran(me, starter, value, [{} for _ in range(20)])
    assert (run["status"], run["error"]["code"]) == ("failed", "too_many_operations")
    assert len(calls) == 5 and run["nodesRun"] == 6


def test_the_journal_is_written_as_the_run_goes(
    me: Registered, starter: Starter, calls: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "WRITE_AFTER_SECONDS", -60.0)
    run = begun(me, made(me, definition([http("a"), http("b")], "start > a", "a > b")))
    seen: list[Any] = []
    send = outbound.send

    def looking(*arguments: Any, **options: Any) -> OutboundResponse:
        seen.append(me.client.get(run).json)
        return send(*arguments, **options)

    monkeypatch.setattr(outbound, "send", looking)
    starter.run_pending()
    assert [(each["currentNodeIds"], len(each["nodes"])) for each in seen] == [(["a"], 1), (["b"], 2)]
    assert [each["progress"] for each in seen] == [33, 66]
    done = me.client.get(run).json
    assert [each["id"] for each in done["nodes"]] == ["000001-000", "000002-000", "000003-000"]
    assert done["currentNodeIds"] == []


def test_large_items_leave_their_rows(me: Registered, starter: Starter) -> None:
    noise = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=200_000))
    run = ran(me, starter, definition([node("a", "noop")], "start > a"), {"text": noise})
    assert run["output"] == [{"text": noise}] and run["input"] == {"text": noise}
    whole = me.client.get(f"/v1/executions/{run['id']}/nodes/{run['nodes'][1]['id']}").json
    assert whole["output"]["main"] == [{"text": noise}]
    (listed,) = me.client.get("/v1/executions").json["items"]
    assert listed["input"] is None and listed["output"] is None
    assert me.client.delete(f"/v1/executions/{run['id']}").status == 204
    objects = boto3.client("s3").list_objects_v2(Bucket="weconnect", Prefix="organizations/")
    assert [each["Key"] for each in objects.get("Contents", []) if "/nodes-" in each["Key"]] == []


def test_the_same_key_starts_one_run(me: Registered, starter: Starter) -> None:
    path = made(me, definition([node("a", "noop")], "start > a"))
    keyed = {"Idempotency-Key": "once", "Prefer": "wait=5"}
    first, second = (me.client.post(f"{path}/executions", {"input": 1}, headers=keyed) for _ in range(2))
    assert first.json["id"] == second.json["id"] and first.json["status"] == "completed"
    assert len(me.client.get("/v1/executions").json["items"]) == 1
