"""Tool calls of an execution: in parallel, and with approvals."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.agents.execution_helpers import Starter, create_agent, execute, script_replies
from tests.agents.tool_call_helpers import (
    DONE,
    agent_call,
    calculator_calls,
    decide,
    only_execution,
    require_approval,
    start_and_suspend,
)
from tests.executions.execution_helpers import create_workflow
from tests.factories import RegisteredUser, register
from tests.gateway import Client
from tests.organizations import organization_helpers
from tests.workflows.definitions import definition, node
from weconnect import clock
from weconnect.agents.tools import invocation
from weconnect.approvals import service as approvals
from weconnect.approvals.rows import ApprovalRow
from weconnect.db.table import get
from weconnect.durable import client as durable_client
from weconnect.executions import lifecycle, sweeper
from weconnect.executions.rows import AnyRow
from weconnect.models.messages import ModelReply, ToolCall


def test_the_results_of_one_reply_keep_the_order_of_its_calls(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_agent(me, "calculator", "date_time")
    requests = script_replies(monkeypatch, calculator_calls("1+1", "1/0", "3*3"), DONE)
    done = execute(me, starter, path, "work it out")
    results = [
        (message.tool_call_id, message.is_error) for message in requests[1].messages if message.role == "tool"
    ]
    assert results == [("call-0", False), ("call-1", True), ("call-2", False)]
    assert [(step["number"], step["type"]) for step in done["steps"]] == [
        (1, "model"), (2, "tool"), (3, "tool"), (4, "tool"), (5, "model")
    ]  # fmt: skip
    assert me.client.get(f"{path}/tools").json["items"][1]["usageCount"] == 3


# Approvals


@pytest.fixture
def guarded(me: RegisteredUser) -> str:
    """Create an agent whose calculator needs an approval; return its path."""
    path = create_agent(me)
    tool = {"toolName": "calculator", "requiresApproval": True, "approval": {"expiresInSeconds": 3600}}
    assert me.client.post(f"{path}/tools", tool).status == 201
    return path


def test_an_approved_call_is_executed_and_shows_its_approver(
    me: RegisteredUser, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = script_replies(monkeypatch, calculator_calls("6*7"), DONE)
    execution, approval = start_and_suspend(me, starter, guarded)
    assert approval["arguments"] == {"expression": "6*7"} and approval["toolName"] == "calculator"
    assert approval["inputSchema"]["required"] == ["expression"]
    assert len(requests) == 1 and me.client.get(f"{guarded}/tools").json["items"][0]["usageCount"] == 0
    decided = decide(me.client, approval, note="go ahead")
    assert decided.status == 200, decided.text
    assert (decided.json["status"], decided.json["decidedBy"]) == ("approved", me.user["id"])
    done = me.client.get(f"{guarded}/executions/{execution['id']}").json
    assert (done["status"], done["output"], done["waitingFor"]) == ("completed", "done", [])
    step = done["steps"][1]
    assert step["result"]["result"] == 42
    assert step["approval"] == {
        "approvalId": approval["id"],
        "decision": "approved",
        "edited": False,
        "decidedBy": me.user["id"],
        "decidedAt": decided.json["decidedAt"],
        "note": "go ahead",
    }
    assert decide(me.client, approval).json["code"] == "already_decided"
    assert me.client.get("/v1/approvals").json["items"] == []
    assert len(me.client.get("/v1/approvals?status=approved").json["items"]) == 1


def test_edited_arguments_replace_the_requested_ones(
    me: RegisteredUser, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = script_replies(monkeypatch, calculator_calls("6*7"), DONE)
    execution, approval = start_and_suspend(me, starter, guarded)
    bad = decide(me.client, approval, arguments={"expression": 7})
    assert (bad.status, bad.json["errors"][0]["pointer"]) == (422, "/arguments/expression")
    denied = decide(me.client, approval, decision="deny", arguments={"expression": "1"})
    assert denied.status == 422
    decided = decide(me.client, approval, arguments={"expression": "1+1"})
    assert decided.json["editedArguments"] == {"expression": "1+1"}
    assert decided.json["arguments"] == {"expression": "6*7"}
    step = me.client.get(f"{guarded}/executions/{execution['id']}").json["steps"][1]
    assert (step["arguments"], step["result"]["result"]) == ({"expression": "1+1"}, 2)
    assert step["approval"]["edited"] and step["approval"]["decidedBy"] == me.user["id"]
    assert '"result": 2' in requests[1].messages[-1].content
    row = get(ApprovalRow, ApprovalRow.at(UUID(me.organization["id"]), UUID(approval["id"])))
    assert row and row.actor and row.actor["userId"] == me.user["id"] and row.actor["ip"] == "203.0.113.7"


def test_approvers_see_arguments_that_are_too_long_for_a_row(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    expert, path = create_agent(me, name="Expert"), create_agent(me)
    configuration = {"agentId": expert.rpartition("/")[2]}
    require_approval(me, path, "expert", toolType="agent", configuration=configuration)
    arguments = {"input": "x" * 5_000}
    script_replies(monkeypatch, agent_call(arguments["input"]))
    _, listed = start_and_suspend(me, starter, path)
    assert listed["arguments"] == arguments
    assert me.client.get(f"/v1/approvals/{listed['id']}").json["arguments"] == arguments


def test_a_denied_call_is_not_executed_and_the_model_is_told_why(
    me: RegisteredUser, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []
    monkeypatch.setattr(invocation, "call_tool", lambda tool, *_: called.append(tool.name))
    requests = script_replies(monkeypatch, calculator_calls("6*7"), DONE)
    execution, approval = start_and_suspend(me, starter, guarded)
    assert decide(me.client, approval, decision="deny", note="too dear").json["status"] == "denied"
    done = me.client.get(f"{guarded}/executions/{execution['id']}").json
    assert done["status"] == "completed" and called == []
    assert requests[1].messages[-1].is_error and "too dear" in requests[1].messages[-1].content


def test_an_expired_approval_request_counts_as_denied(
    me: RegisteredUser, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = script_replies(monkeypatch, calculator_calls("6*7"), DONE)
    _, approval = start_and_suspend(me, starter, guarded)
    later = clock.now() + timedelta(seconds=3601)
    monkeypatch.setattr(clock, "now", lambda: later)
    monkeypatch.setattr(durable_client, "lambda_client", lambda: starter)
    late = decide(me.client, approval)
    assert late.status in (401, 409)
    (request, steps), starter.suspended = starter.suspended[0], []
    steps.callback_values["approval-1-1"] = None  # what the SDK returns for a timeout
    starter._execute(request, steps)
    assert "in time" in requests[1].messages[-1].content
    row = get(ApprovalRow, ApprovalRow.at(UUID(me.organization["id"]), UUID(approval["id"])))
    assert row and row.status == "expired"


def test_several_approval_requests_are_awaited_together(
    me: RegisteredUser, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert me.client.post(f"{guarded}/tools", {"toolName": "date_time"}).status == 201
    reply = calculator_calls("1+1", "2+2")
    reply.tool_calls.append(ToolCall(id="call-3", name="date_time", arguments={"operation": "now"}))
    requests = script_replies(monkeypatch, reply, DONE)
    execution = execute(me, starter, guarded, "work it out")
    items = me.client.get("/v1/approvals").json["items"]
    assert sorted(execution["waitingFor"]) == sorted(item["id"] for item in items) and len(items) == 2
    by_expression = {item["arguments"]["expression"]: item for item in items}
    assert decide(me.client, by_expression["1+1"]).status == 200
    assert me.client.get(f"{guarded}/executions/{execution['id']}").json["status"] == "waiting"
    assert decide(me.client, by_expression["2+2"], decision="deny").status == 200
    done = me.client.get(f"{guarded}/executions/{execution['id']}").json
    assert done["status"] == "completed"
    assert [message.is_error for message in requests[1].messages[-3:-1]] == [False, True]


def test_a_call_with_invalid_arguments_needs_no_approval(
    me: RegisteredUser, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = ModelReply(tool_calls=[ToolCall(id="x", name="calculator", arguments={"nonsense": 1})])
    script_replies(monkeypatch, wrong, DONE)
    assert execute(me, starter, guarded, "work it out")["status"] == "completed"
    assert me.client.get("/v1/approvals").json["items"] == []


def test_a_cancelled_execution_withdraws_its_approval_requests(
    me: RegisteredUser, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = script_replies(monkeypatch, calculator_calls("6*7"), DONE)
    execution, approval = start_and_suspend(me, starter, guarded)
    ended = me.client.post(f"{guarded}/executions/{execution['id']}/cancel").json
    assert ended["status"] == "cancelled"
    assert me.client.get(f"/v1/approvals/{approval['id']}").json["status"] == "cancelled"
    assert decide(me.client, approval).json["code"] == "already_decided"
    assert len(requests) == 1 and starter.suspended == [], "its function was resumed, and ended"
    assert me.client.get(f"{guarded}/executions/{execution['id']}").json["status"] == "cancelled"


def test_the_sweeper_sends_a_decision_that_could_not_be_delivered(
    me: RegisteredUser, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script_replies(monkeypatch, calculator_calls("6*7"), DONE)
    execution, approval = start_and_suspend(me, starter, guarded)
    starter.is_unavailable = True
    assert decide(me.client, approval).json["status"] == "approved"
    assert me.client.get(f"{guarded}/executions/{execution['id']}").json["status"] == "waiting"
    starter.is_unavailable = False
    assert sweeper.sweep() == 1
    assert me.client.get(f"{guarded}/executions/{execution['id']}").json["status"] == "completed"
    assert sweeper.sweep() == 0


def test_a_decision_made_before_the_execution_waits_resumes_it(
    me: RegisteredUser, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script_replies(monkeypatch, calculator_calls("6*7"), DONE)
    record_callback = approvals.record_callback

    def decide_first(organization_id: UUID, approval_id: UUID, callback_id: str) -> None:
        assert decide(me.client, {"id": str(approval_id)}).json["status"] == "approved"
        record_callback(organization_id, approval_id, callback_id)

    monkeypatch.setattr(approvals, "record_callback", decide_first)
    sent: list[str] = []
    monkeypatch.setattr(
        Starter,
        "send_durable_execution_callback_success",
        lambda _, **sending: sent.append(sending["CallbackId"]),
    )
    assert execute(me, starter, guarded, "work it out")["status"] == "waiting"
    assert [each.partition(":")[2] for each in sent] == ["approval-1-1"]


def test_only_chosen_approvers_may_decide(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    organization_helpers.verify_email(me)
    other, stranger = organization_helpers.register_member(me, "member"), register("stranger@example.com")
    path = create_agent(me)
    chosen = {"users": [other.user["id"]], "roles": []}
    tool = {"toolName": "calculator", "requiresApproval": True, "approval": chosen}
    assert me.client.post(f"{path}/tools", tool).status == 201
    script_replies(monkeypatch, calculator_calls("6*7"), DONE)
    execution = execute(me, starter, path, "work it out")
    assert me.client.get("/v1/approvals").json["items"] == [], "others are the approvers"
    approval = {"id": execution["waitingFor"][0]}
    refused = decide(me.client, approval)
    assert (refused.status, refused.json["code"]) == (403, "not_an_approver")
    assert decide(stranger.client, approval).status == 404, "another organization"
    assert decide(other.client, approval).json["decidedBy"] == other.user["id"]


def test_the_api_key_that_started_an_execution_cannot_approve_its_calls(
    me: RegisteredUser, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = {"canRead": True, "canWrite": True, "canExecute": True}
    keys = [
        Client(headers={"X-API-Key": me.client.post(
            "/v1/api-keys", {"name": name, "scopes": ["*"], "permissions": flags}
        ).json["key"]})
        for name in ("starts", "approves")
    ]  # fmt: skip
    script_replies(monkeypatch, calculator_calls("6*7"), DONE)
    started = keys[0].post(f"{guarded}/executions", {"input": "work it out"})
    starter.run_pending()
    (approval_id,) = me.client.get(started.headers["Location"]).json["waitingFor"]
    approval = {"id": approval_id}
    refused = decide(keys[0], approval)
    assert (refused.status, refused.json["code"]) == (403, "own_run")
    decided = decide(keys[1], approval)
    assert decided.status == 200 and decided.json["decidedByApiKeyId"]


def test_the_api_key_that_started_a_workflow_cannot_approve_what_its_agents_do(
    me: RegisteredUser, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks = node("ask", "agent", agentId=guarded.rpartition("/")[2], input="work it out")
    workflow = create_workflow(me, definition([asks], "start > ask"))
    starting, approving = (organization_helpers.client_with_new_key(me, "*") for _ in range(2))
    script_replies(monkeypatch, calculator_calls("6*7"), DONE)
    assert starting.post(f"{workflow}/executions", {}).status == 202
    starter.run_pending()
    (approval,) = me.client.get("/v1/approvals").json["items"]
    refused = decide(starting, approval)
    assert (refused.status, refused.json["code"]) == (403, "own_run")
    assert decide(approving, approval).status == 200
    assert only_execution(me, guarded)["status"] == "completed"


def test_only_members_can_be_approvers(me: RegisteredUser) -> None:
    path = create_agent(me)
    other = register("other@example.com")
    for approval, pointer in (
        ({"users": [me.user["id"], other.user["id"]]}, "/approval/users/1"),
        ({"roles": ["viewer"]}, "/approval/roles/0"),
    ):
        tool = {"toolName": "calculator", "requiresApproval": True, "approval": approval}
        refused = me.client.post(f"{path}/tools", tool)
        assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, pointer)


@pytest.mark.parametrize("purge", [False, True])
def test_a_deleted_agent_has_no_more_effects(
    me: RegisteredUser, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch, purge: bool
) -> None:
    called: list[str] = []
    monkeypatch.setattr(invocation, "call_tool", lambda tool, *_: called.append(tool.name))
    script_replies(monkeypatch, calculator_calls("6*7"), DONE)
    _, approval = start_and_suspend(me, starter, guarded)
    assert me.client.delete(guarded).status == 204
    if purge:
        assert me.client.delete(f"{guarded}?purge=true").status == 204
    assert decide(me.client, approval).status == 200
    assert called == [] and starter.suspended == []


def test_the_usage_of_a_cancelled_execution_is_counted(
    me: RegisteredUser, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script_replies(monkeypatch, calculator_calls("6*7"), DONE)
    execution, _ = start_and_suspend(me, starter, guarded)
    ended = me.client.post(f"{guarded}/executions/{execution['id']}/cancel").json
    assert (ended["inputTokens"], ended["outputTokens"], ended["cost"]) == (10, 5, 0.0001)
    stats = me.client.get(f"{guarded}/stats").json
    assert (stats["inputTokens"], stats["outputTokens"]) == (10, 5)


def test_an_execution_waits_only_when_its_requests_can_be_decided(
    me: RegisteredUser, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script_replies(monkeypatch, calculator_calls("6*7"), DONE)
    suspend, requests = lifecycle.suspend, []

    def count_requests(row: AnyRow, **values: Any) -> bool:
        requests.append(len(me.client.get("/v1/approvals").json["items"]))
        return suspend(row, **values)

    monkeypatch.setattr(lifecycle, "suspend", count_requests)
    start_and_suspend(me, starter, guarded)
    assert requests == [1]
