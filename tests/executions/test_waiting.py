"""Executions that wait, are cancelled, paused or timed out."""

from datetime import timedelta
from typing import Any

import pytest

from tests.agents.execution_helpers import Starter
from tests.executions.execution_helpers import (
    create_workflow,
    http_node,
    start_execution,
    statuses_by_path,
)
from tests.factories import RegisteredUser
from tests.in_memory_steps import InMemorySteps
from tests.workflows.definitions import definition, node
from weconnect import clock
from weconnect.outbound import client as outbound
from weconnect.outbound.client import OutboundResponse


def test_a_wait_node_waits_for_a_time(me: RegisteredUser, starter: Starter) -> None:
    value = definition([node("w", "wait", seconds=90), node("b", "noop")], "start > w", "w > b")
    begun_at = start_execution(me, create_workflow(me, value), {"n": 1})
    starter.run_pending(steps := InMemorySteps())
    assert steps.waits == [90]
    execution = me.client.get(begun_at).json
    assert (execution["status"], execution["output"]) == ("completed", [{"n": 1}])


def test_a_callback_continues_with_its_value(me: RegisteredUser, starter: Starter) -> None:
    value = definition(
        [
            node("tell", "set", values={"token": "{{ $execution.callbackToken }}"}),
            node("w", "wait", until="callback", seconds=60),
            node("other", "set", values={"done": True}),
        ],
        *("start > tell", "tell > w", "start > other"),
    )
    execution = start_execution(me, create_workflow(me, value))
    starter.run_pending()
    waiting = me.client.get(execution).json
    assert (waiting["status"], waiting["currentNodeIds"]) == ("waiting", ["w"])
    assert statuses_by_path(waiting)["other"] == "completed", "nodes that do not wait are executed first"
    entry = next(each for each in waiting["nodes"] if each["nodeId"] == "tell")
    token = me.client.get(f"{execution}/nodes/{entry['id']}").json["output"]["main"][0]["token"]
    answer = me.client.post(f"/v1/callbacks/{token[:-1]}x", {"value": 1})
    assert answer.status == 404
    assert me.client.post(f"/v1/callbacks/{token}", {"value": {"n": 5}}).json == {"completed": True}
    assert me.client.post(f"/v1/callbacks/{token}", {"value": 1}).status == 409
    done = me.client.get(execution).json
    assert (done["status"], done["output"]) == ("completed", [{"n": 5}])


def test_a_callback_that_nobody_completes_times_out(me: RegisteredUser, starter: Starter) -> None:
    value = definition(
        [node("w", "wait", until="callback"), node("late", "set", values={"late": True})],
        "start > w",
        "w.timeout > late",
    )
    execution = start_execution(me, create_workflow(me, value), {"n": 1})
    steps = InMemorySteps()
    steps.callback_values["w~1/callback"] = None
    starter.run_pending(steps)
    assert me.client.get(execution).json["output"] == [{"n": 1, "late": True}]


APPROVAL = definition(
    [
        node("ask", "approval", message="Pay {{ amount }}?", values={"amount": "{{ amount }}"}),
        node("pay", "set", values={"paid": "{{ amount }}"}),
        node("no", "set", values={"refused": "{{ approval.note }}"}),
    ],
    *("start > ask", "ask.approved > pay", "ask.denied > no"),
)


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        ({"decision": "approve"}, {"amount": 5, "paid": 5}),
        ({"decision": "approve", "arguments": {"amount": 3}}, {"amount": 3, "paid": 3}),
        ({"decision": "deny", "note": "too much"}, {"amount": 5, "refused": "too much"}),
    ],
)
def test_an_approval_node_waits_for_the_decision(
    me: RegisteredUser, starter: Starter, decision: dict[str, Any], expected: dict[str, Any]
) -> None:
    execution = start_execution(me, create_workflow(me, APPROVAL), {"amount": 5})
    starter.run_pending()
    assert me.client.get(execution).json["status"] == "waiting"
    (approval,) = me.client.get("/v1/approvals").json["items"]
    assert (approval["runType"], approval["toolName"], approval["message"]) == ("workflow", "ask", "Pay 5?")
    assert me.client.post(f"/v1/approvals/{approval['id']}/decide", decision).status == 200
    (item,) = me.client.get(execution).json["output"]
    decided = item.pop("approval")
    assert item == expected
    assert (decided["approvalId"], decided["decidedBy"]) == (approval["id"], me.user["id"])


def test_cancelling_an_execution_withdraws_its_approval_request(me: RegisteredUser, starter: Starter) -> None:
    execution = start_execution(me, create_workflow(me, APPROVAL), {"amount": 5})
    starter.run_pending()
    assert me.client.post(f"{execution}/cancel").json["status"] == "cancelled"
    assert me.client.get("/v1/approvals").json["items"] == []
    assert len(me.client.get("/v1/approvals?status=cancelled").json["items"]) == 1
    assert me.client.get(execution).json["status"] == "cancelled"


def test_pending_and_waiting_executions_are_cancelled_at_once(
    me: RegisteredUser, starter: Starter, calls: list[tuple[str, str]]
) -> None:
    value = definition([node("w", "wait", until="callback"), http_node("a")], "start > w", "w > a")
    path = create_workflow(me, value)
    pending = start_execution(me, path)
    assert me.client.post(f"{pending}/cancel").json["status"] == "cancelled"
    starter.run_pending()
    waiting = start_execution(me, path)
    starter.run_pending()
    assert me.client.post(f"{waiting}/cancel").json["status"] == "cancelled"
    starter.send_durable_execution_callback_success(CallbackId="w~1/callback", Result="{}")
    done = me.client.get(waiting).json
    assert done["status"] == "cancelled" and done["error"]["code"] == "cancelled"
    assert calls == []
    assert me.client.post(f"{waiting}/cancel").json["code"] == "already_finished"


def test_a_running_execution_is_cancelled_before_its_next_effect(
    me: RegisteredUser, starter: Starter, calls: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = start_execution(
        me, create_workflow(me, definition([http_node("a"), http_node("b")], "start > a", "a > b"))
    )
    send = outbound.send

    def cancelling(*arguments: Any, **options: Any) -> OutboundResponse:
        assert me.client.post(f"{execution}/cancel").json["status"] == "running"
        return send(*arguments, **options)

    monkeypatch.setattr(outbound, "send", cancelling)
    starter.run_pending()
    done = me.client.get(execution).json
    assert done["status"] == "cancelled" and len(calls) == 1
    assert statuses_by_path(done) == {"start": "completed", "a": "completed"}


def test_an_execution_is_paused_before_its_next_effect_and_resumed(
    me: RegisteredUser, starter: Starter, calls: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = start_execution(
        me, create_workflow(me, definition([http_node("a"), http_node("b")], "start > a", "start > b"))
    )
    assert me.client.post(f"{execution}/resume").json["code"] == "not_paused"
    assert me.client.post(f"{execution}/pause").json["pauseRequestedAt"]
    starter.run_pending()
    paused = me.client.get(execution).json
    assert paused["status"] == "paused" and calls == []
    assert me.client.post(f"{execution}/resume").json["status"] in ("running", "completed")
    done = me.client.get(execution).json
    assert done["status"] == "completed" and len(calls) == 2
    assert me.client.post(f"{execution}/pause").json["code"] == "already_finished"


@pytest.mark.parametrize(("slow", "status"), [("w", "completed"), ("a", "timeout")])
def test_the_timeout_leaves_out_the_time_spent_waiting(
    me: RegisteredUser,
    starter: Starter,
    calls: list[tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    slow: str,
    status: str,
) -> None:
    """Waiting does not count towards the timeout, executing nodes does."""
    now, late = clock.now, [0]
    monkeypatch.setattr(clock, "now", lambda: now() + timedelta(seconds=late[0]))
    nodes = [node("w", "wait", seconds=100), http_node("a"), http_node("b")]
    value = definition(nodes, "start > w", "w > a", "a > b", timeoutSeconds=50)
    execution = start_execution(me, create_workflow(me, value))

    class Slow(InMemorySteps):
        def wait(self, name: str, seconds: int) -> None:
            late[0] += seconds
            super().wait(name, seconds)

    send = outbound.send

    def slowly(*arguments: Any, **options: Any) -> OutboundResponse:
        late[0] += 60 if slow == "a" else 0
        return send(*arguments, **options)

    monkeypatch.setattr(outbound, "send", slowly)
    starter.run_pending(Slow())
    assert me.client.get(execution).json["status"] == status
    assert len(calls) == (2 if status == "completed" else 1)
