"""Attempts to execute calls without their approval, twice, or with other arguments."""

from typing import Any

import pytest

from tests.agents.execution_helpers import Starter, create_agent, execute, script_replies
from tests.agents.tool_call_helpers import (
    DONE,
    calculator_calls,
    decide,
    move_clock,
    only_execution,
    require_approval,
    start_and_suspend,
)
from tests.factories import RegisteredUser
from tests.gateway import Client
from tests.organizations import organization_helpers
from weconnect.agents.rows import AgentExecutionRow
from weconnect.agents.tools import invocation
from weconnect.approvals import service as approvals
from weconnect.approvals.rows import ApprovalRow
from weconnect.db import payloads
from weconnect.executions import service as executions
from weconnect.executions import sweeper
from weconnect.models.messages import ModelReply, ToolCall


def test_invalid_arguments_do_not_bypass_an_approval(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    expert = me.client.post("/v1/agents", {"name": "Expert"}).json["id"]
    path = create_agent(me)
    require_approval(me, path, "expert", toolType="agent", configuration={"agentId": expert})
    sneaky = ToolCall(id="ask", name="expert", arguments={"question": "wire the money"})
    requests = script_replies(monkeypatch, ModelReply(tool_calls=[sneaky]), DONE, DONE)
    assert execute(me, starter, path, "go")["status"] == "completed"
    assert requests[1].messages[-1].is_error and "do not match" in requests[1].messages[-1].content
    assert me.client.get(f"/v1/agents/{expert}/executions").json["items"] == []


def test_a_call_that_names_no_agent_is_an_error(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_agent(me, "ask_agent")
    call = ToolCall(id="ask", name="ask_agent", arguments={"input": "anyone?"})
    requests = script_replies(monkeypatch, ModelReply(tool_calls=[call]), DONE)
    assert execute(me, starter, path, "go")["status"] == "completed"
    assert "do not match" in requests[1].messages[-1].content


def test_testing_a_tool_does_not_bypass_an_approval(
    me: RegisteredUser, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[Any] = []
    monkeypatch.setattr(invocation, "call_tool", lambda *args: called.append(args))
    flags = {"canRead": True, "canWrite": True, "canExecute": True}
    made = me.client.post("/v1/api-keys", {"name": "ci", "scopes": ["*"], "permissions": flags})
    key = Client(headers={"X-API-Key": made.json["key"]})
    tool_id = me.client.get(f"{guarded}/tools").json["items"][0]["id"]
    attempt = {"arguments": {"expression": "6*7"}}
    refused = key.post(f"{guarded}/tools/{tool_id}/test", attempt)
    assert (refused.status, refused.json["code"], called) == (403, "own_run", [])
    organization_helpers.verify_email(me)
    other = organization_helpers.register_member(me, "member").user["id"]
    changed = me.client.patch(f"{guarded}/tools/{tool_id}", {"approval": {"users": [other]}})
    assert changed.status == 200
    refused = me.client.post(f"{guarded}/tools/{tool_id}/test", attempt)
    assert (refused.status, refused.json["code"], called) == (403, "not_an_approver", [])
    me.client.patch(f"{guarded}/tools/{tool_id}", {"approval": {}})
    assert me.client.post(f"{guarded}/tools/{tool_id}/test", attempt).status == 200 and len(called) == 1


@pytest.mark.parametrize(
    "limits",
    [{"maxCostUsdPerMonth": 1e-9}, {"maxCostUsdPerMonth": 1e300}, {"maxTokensPerMonth": 10**40}],
)
def test_a_budget_must_be_a_countable_number(me: RegisteredUser, limits: dict[str, Any]) -> None:
    """Less than a millionth of a dollar would be counted as 0, and admit the month's first request."""
    assert me.client.post("/v1/agents", {"name": "x", "limits": limits}).status == 422


def test_the_loser_of_two_decisions_does_not_set_the_arguments(
    me: RegisteredUser, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two approvers edit at once, both with arguments stored outside of the row; the loser stores theirs last."""
    script_replies(monkeypatch, calculator_calls("6*7"), DONE)
    execution, approval = start_and_suspend(me, starter, guarded)
    monkeypatch.setattr(approvals, "INLINE_BYTES", 10)
    winner, loser = {"expression": "1+1"}, {"expression": "2+2"}
    store = payloads.store
    stored_names: list[str] = []

    def decide_first(organization_id: Any, name: str, *rest: Any) -> Any:
        if "/edited" in name and not stored_names:
            stored_names.append(name)
            monkeypatch.setattr(payloads, "store", store)
            starter.is_unavailable = True  # the execution resumes after both
            assert decide(me.client, approval, arguments=winner).status == 200
        return store(organization_id, name, *rest)

    monkeypatch.setattr(payloads, "store", decide_first)
    assert decide(me.client, approval, arguments=loser).json["code"] == "already_decided"
    starter.is_unavailable = False
    assert sweeper.sweep() == 1
    step = me.client.get(f"{guarded}/executions/{execution['id']}").json["steps"][1]
    assert step["arguments"] == winner


def test_an_api_key_without_agents_read_cannot_see_the_arguments(
    me: RegisteredUser, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script_replies(monkeypatch, calculator_calls("6*7"), DONE)
    _, approval = start_and_suspend(me, starter, guarded)
    keys = [
        Client(headers={"X-API-Key": me.client.post(
            "/v1/api-keys", {"name": scope, "scopes": [scope], "permissions": {"canRead": True, "canWrite": True}}
        ).json["key"]})
        for scope in ("agents:create", "agents:read")
    ]  # fmt: skip
    path_of_approval = f"/v1/approvals/{approval['id']}"
    refused = keys[0].get(path_of_approval)
    assert (refused.status, refused.json["code"]) == (403, "permission_missing")
    assert keys[1].get(path_of_approval).json["arguments"] == {"expression": "6*7"}


def test_an_execution_cancelled_while_it_suspends_withdraws_its_requests(
    me: RegisteredUser, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script_replies(monkeypatch, calculator_calls("6*7"), DONE)
    request = approvals.request_approval

    def cancel_after_the_request(*args: Any) -> None:
        request(*args)
        running = only_execution(me, guarded)
        assert me.client.post(f"{guarded}/executions/{running['id']}/cancel").status == 202

    monkeypatch.setattr(approvals, "request_approval", cancel_after_the_request)
    assert execute(me, starter, guarded, "go")["status"] == "cancelled"
    assert me.client.get("/v1/approvals").json["items"] == []
    assert len(me.client.get("/v1/approvals?status=cancelled").json["items"]) == 1


def test_a_cancellation_during_the_suspension_is_not_lost(
    me: RegisteredUser, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script_replies(monkeypatch, calculator_calls("6*7"), DONE)
    started = me.client.post(f"{guarded}/executions", {"input": "go"})
    require = executions.require

    def read_stale_row(*at: Any) -> AgentExecutionRow:
        monkeypatch.setattr(executions, "require", require)
        row: AgentExecutionRow = require(*at)
        row.set(status="running")
        starter.run_pending()  # it suspends before the cancellation is written
        return row

    monkeypatch.setattr(executions, "require", read_stale_row)
    cancelled = me.client.post(f"{started.headers['Location']}/cancel")
    assert (cancelled.status, cancelled.json["status"]) == (202, "cancelled"), cancelled.text


def test_one_undeliverable_decision_does_not_block_the_others(
    me: RegisteredUser, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script_replies(monkeypatch, calculator_calls("1+1"), calculator_calls("2+2"), DONE, DONE)
    for _ in range(2):
        execute(me, starter, guarded, "go")
    starter.is_unavailable = True
    poison, other = me.client.get("/v1/approvals?limit=25").json["items"][::-1]
    for approval in (poison, other):
        assert decide(me.client, approval).status == 200
    starter.is_unavailable = False
    deliver = approvals._send_decision

    def fail_for_one(row: ApprovalRow) -> bool:
        if row.id == poison["id"]:
            raise RuntimeError("this row cannot be read")
        return deliver(row)

    monkeypatch.setattr(approvals, "_send_decision", fail_for_one)
    assert sweeper.sweep() == 1


def test_decisions_without_a_waiting_execution_expire_from_the_sweep(
    me: RegisteredUser, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The execution was closed before it stored its callback: its decision would be retried each minute for months."""
    monkeypatch.setattr(approvals, "record_callback", lambda *_: None)
    script_replies(monkeypatch, calculator_calls("1+1"), DONE)
    execution, _ = start_and_suspend(me, starter, guarded)
    assert sweeper.close(execution["id"], "STOPPED", "stopped")
    assert len(list(ApprovalRow.gsi3.query(ApprovalRow.undelivered()))) == 1
    move_clock(monkeypatch, days=7, minutes=1)
    sweeper.sweep()
    assert list(ApprovalRow.gsi3.query(ApprovalRow.undelivered())) == []
