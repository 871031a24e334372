"""Tool calls of a run: side by side, with approvals, and to other agents."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.agents.runs import Starter, agent, run, script
from tests.factories import Registered, registered
from tests.gateway import Client
from tests.organizations import people
from weconnect import clock, durable
from weconnect.agents.engine import loop, recall, sweeper
from weconnect.agents.memory.context import Context
from weconnect.agents.models.messages import ModelReply, ToolCall
from weconnect.agents.tools import invocation
from weconnect.approvals import service as approvals
from weconnect.db.table import get
from weconnect.executions.rows import ApprovalRow


@pytest.fixture
def me(aws: None) -> Registered:
    return registered()


def sum_of(*expressions: str, tool: str = "calculator") -> ModelReply:
    """A model that wants these worked out."""
    calls = [
        ToolCall(id=f"call-{number}", name=tool, arguments={"expression": expression})
        for number, expression in enumerate(expressions)
    ]
    return ModelReply(tool_calls=calls, input_tokens=10, output_tokens=5, cost_micros=100)


DONE = ModelReply(text="done", input_tokens=10, output_tokens=5, cost_micros=100)


def test_calls_of_one_answer_keep_their_order(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = agent(me, "calculator", "date_time")
    seen = script(monkeypatch, sum_of("1+1", "1/0", "3*3"), DONE)
    done = run(me, starter, path, "work it out")
    told = [
        (message.tool_call_id, message.is_error) for message in seen[1].messages if message.role == "tool"
    ]
    assert told == [("call-0", False), ("call-1", True), ("call-2", False)]
    assert [(step["number"], step["type"]) for step in done["steps"]] == [
        (1, "model"), (2, "tool"), (3, "tool"), (4, "tool"), (5, "model")
    ]  # fmt: skip
    assert me.client.get(f"{path}/tools").json["items"][1]["usageCount"] == 3


# Approvals


@pytest.fixture
def guarded(me: Registered) -> str:
    """An agent whose calculator needs an approval."""
    path = agent(me)
    tool = {"toolName": "calculator", "requiresApproval": True, "approval": {"expiresInSeconds": 3600}}
    assert me.client.post(f"{path}/tools", tool).status == 201
    return path


def waiting(me: Registered, starter: Starter, path: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A run that waits, and its one question."""
    found = run(me, starter, path, "work it out")
    assert found["status"] == "waiting", found
    (approval,) = me.client.get("/v1/approvals").json["items"]
    assert found["waitingFor"] == [approval["id"]]
    return found, approval


def decide(client: Client, approval: dict[str, Any], **decision: Any) -> Any:
    return client.post(f"/v1/approvals/{approval['id']}/decide", {"decision": "approve", **decision})


def test_an_approved_call_runs_and_says_who(
    me: Registered, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = script(monkeypatch, sum_of("6*7"), DONE)
    found, approval = waiting(me, starter, guarded)
    assert approval["arguments"] == {"expression": "6*7"} and approval["toolName"] == "calculator"
    assert approval["inputSchema"]["required"] == ["expression"]
    assert len(seen) == 1 and me.client.get(f"{guarded}/tools").json["items"][0]["usageCount"] == 0
    decided = decide(me.client, approval, note="go ahead")
    assert decided.status == 200, decided.text
    assert (decided.json["status"], decided.json["decidedBy"]) == ("approved", me.user["id"])
    done = me.client.get(f"{guarded}/executions/{found['id']}").json
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


def test_edited_arguments_run_in_place_of_those_asked_for(
    me: Registered, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = script(monkeypatch, sum_of("6*7"), DONE)
    found, approval = waiting(me, starter, guarded)
    bad = decide(me.client, approval, arguments={"expression": 7})
    assert (bad.status, bad.json["errors"][0]["pointer"]) == (422, "/arguments/expression")
    denied = decide(me.client, approval, decision="deny", arguments={"expression": "1"})
    assert denied.status == 422
    decided = decide(me.client, approval, arguments={"expression": "1+1"})
    assert decided.json["editedArguments"] == {"expression": "1+1"}
    assert decided.json["arguments"] == {"expression": "6*7"}
    step = me.client.get(f"{guarded}/executions/{found['id']}").json["steps"][1]
    assert (step["arguments"], step["result"]["result"]) == ({"expression": "1+1"}, 2)
    assert step["approval"]["edited"] and step["approval"]["decidedBy"] == me.user["id"]
    assert '"result": 2' in seen[1].messages[-1].content
    row = get(ApprovalRow, ApprovalRow.at(UUID(me.organization["id"]), UUID(approval["id"])))
    assert row and row.actor["userId"] == me.user["id"] and row.actor["ip"] == "203.0.113.7"


def test_a_denied_call_is_not_made_and_the_model_hears_why(
    me: Registered, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[str] = []
    monkeypatch.setattr(invocation, "call", lambda tool, *_: called.append(tool.name))
    seen = script(monkeypatch, sum_of("6*7"), DONE)
    found, approval = waiting(me, starter, guarded)
    assert decide(me.client, approval, decision="deny", note="too dear").json["status"] == "denied"
    done = me.client.get(f"{guarded}/executions/{found['id']}").json
    assert done["status"] == "completed" and called == []
    assert seen[1].messages[-1].is_error and "too dear" in seen[1].messages[-1].content


def test_an_expired_question_is_no_permission(
    me: Registered, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = script(monkeypatch, sum_of("6*7"), DONE)
    _, approval = waiting(me, starter, guarded)
    later = clock.now() + timedelta(seconds=3601)
    monkeypatch.setattr(clock, "now", lambda: later)
    monkeypatch.setattr(durable, "lambda_client", lambda: starter)
    late = decide(me.client, approval)
    assert late.status in (401, 409)
    (request, steps), starter.waiting = starter.waiting[0], []
    steps.sent["approval-1-1"] = None  # what the SDK answers when the time is over
    starter._carry(request, steps)
    assert "in time" in seen[1].messages[-1].content
    row = get(ApprovalRow, ApprovalRow.at(UUID(me.organization["id"]), UUID(approval["id"])))
    assert row and row.status == "expired"


def test_several_questions_are_waited_for_together(
    me: Registered, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert me.client.post(f"{guarded}/tools", {"toolName": "date_time"}).status == 201
    reply = sum_of("1+1", "2+2")
    reply.tool_calls.append(ToolCall(id="call-3", name="date_time", arguments={"operation": "now"}))
    seen = script(monkeypatch, reply, DONE)
    found = run(me, starter, guarded, "work it out")
    items = me.client.get("/v1/approvals").json["items"]
    assert sorted(found["waitingFor"]) == sorted(item["id"] for item in items) and len(items) == 2
    by_expression = {item["arguments"]["expression"]: item for item in items}
    assert decide(me.client, by_expression["1+1"]).status == 200
    assert me.client.get(f"{guarded}/executions/{found['id']}").json["status"] == "waiting"
    assert decide(me.client, by_expression["2+2"], decision="deny").status == 200
    done = me.client.get(f"{guarded}/executions/{found['id']}").json
    assert done["status"] == "completed"
    assert [message.is_error for message in seen[1].messages[-3:-1]] == [False, True]


def test_arguments_that_do_not_fit_need_nobodys_time(
    me: Registered, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = ModelReply(tool_calls=[ToolCall(id="x", name="calculator", arguments={"nonsense": 1})])
    script(monkeypatch, wrong, DONE)
    assert run(me, starter, guarded, "work it out")["status"] == "completed"
    assert me.client.get("/v1/approvals").json["items"] == []


def test_a_cancelled_run_takes_its_questions_back(
    me: Registered, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = script(monkeypatch, sum_of("6*7"), DONE)
    found, approval = waiting(me, starter, guarded)
    ended = me.client.post(f"{guarded}/executions/{found['id']}/cancel").json
    assert ended["status"] == "cancelled"
    assert me.client.get(f"/v1/approvals/{approval['id']}").json["status"] == "cancelled"
    assert decide(me.client, approval).json["code"] == "already_decided"
    assert len(seen) == 1 and starter.waiting == [], "its function was woken, and ended"
    assert me.client.get(f"{guarded}/executions/{found['id']}").json["status"] == "cancelled"


def test_an_answer_that_could_not_be_sent_is_sent_by_the_sweeper(
    me: Registered, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, sum_of("6*7"), DONE)
    found, approval = waiting(me, starter, guarded)
    starter.fails = True
    assert decide(me.client, approval).json["status"] == "approved"
    assert me.client.get(f"{guarded}/executions/{found['id']}").json["status"] == "waiting"
    starter.fails = False
    assert sweeper.sweep() == 1
    assert me.client.get(f"{guarded}/executions/{found['id']}").json["status"] == "completed"
    assert sweeper.sweep() == 0


def test_an_answer_that_comes_before_the_run_waits_wakes_it(
    me: Registered, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, sum_of("6*7"), DONE)
    wait_at = approvals.wait_at

    def slow(organization_id: UUID, approval_id: UUID, callback_id: str) -> None:
        assert decide(me.client, {"id": str(approval_id)}).json["status"] == "approved"
        wait_at(organization_id, approval_id, callback_id)

    monkeypatch.setattr(approvals, "wait_at", slow)
    sent: list[str] = []
    monkeypatch.setattr(
        Starter,
        "send_durable_execution_callback_success",
        lambda _, **sending: sent.append(sending["CallbackId"]),
    )
    assert run(me, starter, guarded, "work it out")["status"] == "waiting"
    assert sent == ["approval-1-1"]


def test_who_may_decide(me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    people.confirm(me)
    other, stranger = people.colleague(me, "member"), registered("stranger@example.com")
    path = agent(me)
    chosen = {"users": [other.user["id"]], "roles": []}
    tool = {"toolName": "calculator", "requiresApproval": True, "approval": chosen}
    assert me.client.post(f"{path}/tools", tool).status == 201
    script(monkeypatch, sum_of("6*7"), DONE)
    found = run(me, starter, path, "work it out")
    assert me.client.get("/v1/approvals").json["items"] == [], "others were asked"
    approval = {"id": found["waitingFor"][0]}
    refused = decide(me.client, approval)
    assert (refused.status, refused.json["code"]) == (403, "not_an_approver")
    assert decide(stranger.client, approval).status == 404, "another organization's"
    assert decide(other.client, approval).json["decidedBy"] == other.user["id"]


def test_the_key_that_started_a_run_does_not_approve_it(
    me: Registered, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = {"canRead": True, "canWrite": True, "canExecute": True}
    keys = [
        Client(headers={"X-API-Key": me.client.post(
            "/v1/api-keys", {"name": name, "scopes": ["*"], "permissions": flags}
        ).json["key"]})
        for name in ("starts", "approves")
    ]  # fmt: skip
    script(monkeypatch, sum_of("6*7"), DONE)
    started = keys[0].post(f"{guarded}/executions", {"input": "work it out"})
    starter.run_pending()
    (approval_id,) = me.client.get(started.headers["Location"]).json["waitingFor"]
    approval = {"id": approval_id}
    refused = decide(keys[0], approval)
    assert (refused.status, refused.json["code"]) == (403, "own_run")
    decided = decide(keys[1], approval)
    assert decided.status == 200 and decided.json["decidedByApiKeyId"]


def test_only_members_can_be_named(me: Registered) -> None:
    path = agent(me)
    other = registered("other@example.com")
    for approval, place in (
        ({"users": [me.user["id"], other.user["id"]]}, "/approval/users/1"),
        ({"roles": ["viewer"]}, "/approval/roles/0"),
    ):
        tool = {"toolName": "calculator", "requiresApproval": True, "approval": approval}
        refused = me.client.post(f"{path}/tools", tool)
        assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, place)


@pytest.mark.parametrize("purge", [False, True])
def test_an_agent_that_is_gone_does_nothing_more(
    me: Registered, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch, purge: bool
) -> None:
    called: list[str] = []
    monkeypatch.setattr(invocation, "call", lambda tool, *_: called.append(tool.name))
    script(monkeypatch, sum_of("6*7"), DONE)
    _, approval = waiting(me, starter, guarded)
    assert me.client.delete(guarded).status == 204
    if purge:
        assert me.client.delete(f"{guarded}?purge=true").status == 204
    assert decide(me.client, approval).status == 200
    assert called == [] and starter.waiting == []


def test_what_a_cancelled_run_has_used_is_counted(
    me: Registered, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, sum_of("6*7"), DONE)
    found, _ = waiting(me, starter, guarded)
    ended = me.client.post(f"{guarded}/executions/{found['id']}/cancel").json
    assert (ended["inputTokens"], ended["outputTokens"], ended["cost"]) == (10, 5, 0.0001)
    stats = me.client.get(f"{guarded}/stats").json
    assert (stats["inputTokens"], stats["outputTokens"]) == (10, 5)


# Other agents


@pytest.fixture
def pair(me: Registered) -> tuple[str, str]:
    """An agent that asks another, which has a calculator."""
    expert = me.client.post("/v1/agents", {"name": "Expert"}).json["id"]
    assert me.client.post(f"/v1/agents/{expert}/tools", {"toolName": "calculator"}).status == 201
    path = agent(me)
    tool = {"toolName": "expert", "toolType": "agent", "configuration": {"agentId": expert}}
    made = me.client.post(f"{path}/tools", tool)
    assert made.status == 201, made.text
    return path, f"/v1/agents/{expert}"


def question(text: str, tool: str = "expert", **more: str) -> ModelReply:
    call = ToolCall(id="ask", name=tool, arguments={"input": text, **more})
    return ModelReply(tool_calls=[call], input_tokens=10, output_tokens=5, cost_micros=100)


def test_an_agent_asks_another(
    me: Registered, starter: Starter, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, expert = pair
    seen = script(monkeypatch, question("6*7?"), sum_of("6*7"), ModelReply(text="42", cost_micros=50), DONE)
    done = run(me, starter, path, "ask the expert")
    assert (done["status"], done["output"]) == ("completed", "done")
    assert seen[3].messages[-1].content == "42"
    assert done["cost"] == pytest.approx(0.00035), "the other's requests are paid for by this run"
    step = done["steps"][1]
    assert step["result"] == {"output": "42"}
    child = me.client.get(f"{expert}/executions/{step['executionId']}").json
    assert (child["status"], child["parentExecutionId"]) == ("completed", done["id"])
    assert [item["type"] for item in child["steps"]] == ["model", "tool", "model"]
    assert me.client.get(expert).json["totalExecutions"] == 1
    counted = me.client.get(f"/v1/organizations/{me.organization['id']}").json["currentMonthExecutions"]
    assert counted == 1, "the other agent's run counts for no plan"


def test_an_agent_is_asked_by_its_name(
    me: Registered, starter: Starter, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = agent(me, "ask_agent", name="Asker")
    reply = question("hello", "ask_agent", agent="expert")
    unknown = question("hello", "ask_agent", agent="nobody")
    seen = script(monkeypatch, reply, ModelReply(text="hi"), unknown, DONE)
    assert run(me, starter, path, "ask")["status"] == "completed"
    assert seen[2].messages[-1].content == "hi"
    assert seen[3].messages[-1].is_error and "nobody" in seen[3].messages[-1].content


def test_agents_do_not_ask_each_other_for_ever(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = agent(me, "ask_agent")
    again = [question("again", "ask_agent", agent="Helper") for _ in range(6)]
    seen = script(monkeypatch, *again, *[DONE] * 6)
    assert run(me, starter, path, "go")["status"] == "completed"
    assert "at most 5 deep" in seen[6].messages[-1].content
    assert len(me.client.get(f"{path}/executions").json["items"]) == 6


def test_a_nested_run_has_what_its_caller_has_left(
    me: Registered, starter: Starter, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, expert = pair
    assert me.client.patch(path, {"limits": {"maxCostUsd": 0.00025}}).status == 200
    seen = script(monkeypatch, question("6*7?"), sum_of("1+1"), sum_of("1+1"), sum_of("1+1"), DONE)
    done = run(me, starter, path, "ask the expert")
    assert len(seen) == 3, "100 of 250 are used, then two requests of 100 each of the other agent"
    child = me.client.get(f"{expert}/executions").json["items"][0]
    assert child["errorCode"] == "budget_exceeded"
    assert done["errorCode"] == "budget_exceeded" and done["cost"] == pytest.approx(0.0003)


def test_cancelling_a_run_stops_the_run_it_asked(
    me: Registered, starter: Starter, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, expert = pair
    calls: list[str] = []

    def call(tool: Any, arguments: Any, context: Any) -> Any:
        calls.append(tool.name)
        (parent,) = me.client.get(f"{path}/executions").json["items"]
        assert me.client.post(f"{path}/executions/{parent['id']}/cancel").status == 202
        return {"result": 2}

    monkeypatch.setattr(invocation, "call", call)
    seen = script(monkeypatch, question("6*7?"), sum_of("1+1"), sum_of("2+2"), DONE)
    done = run(me, starter, path, "ask the expert")
    assert done["status"] == "cancelled" and calls == ["calculator"] and len(seen) == 2
    assert me.client.get(f"{expert}/executions").json["items"][0]["status"] == "cancelled"


def test_a_tool_names_an_agent_of_the_organization(me: Registered) -> None:
    path = agent(me)
    missing = me.client.post(f"{path}/tools", {"toolName": "x", "toolType": "agent"})
    assert missing.status == 422
    stranger = registered("stranger@example.com").client.post("/v1/agents", {"name": "Theirs"}).json["id"]
    tool = {"toolName": "x", "toolType": "agent", "configuration": {"agentId": stranger}}
    refused = me.client.post(f"{path}/tools", tool)
    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "/configuration/agentId")
    mine = me.client.post("/v1/agents", {"name": "Mine"}).json["id"]
    location = me.client.post(f"{path}/tools", tool | {"configuration": {"agentId": mine}}).headers[
        "Location"
    ]
    changed = me.client.patch(location, {"configuration": {"agentId": stranger}})
    assert (changed.status, changed.json["errors"][0]["pointer"]) == (422, "/configuration/agentId")


def test_a_tool_that_asks_an_agent_is_tried_by_a_run(
    me: Registered, starter: Starter, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is carried out while the route waits for it."""
    path, _ = pair
    monkeypatch.setattr(
        type(starter), "invoke", lambda self, **request: self.asked.append(request) or self.run_pending()
    )
    script(monkeypatch, ModelReply(text="42"))
    tool = me.client.get(f"{path}/tools").json["items"][0]["id"]
    tried = me.client.post(f"{path}/tools/{tool}/test", {"arguments": {"input": "6*7?"}})
    assert (tried.status, tried.json["result"]) == (200, {"output": "42"})


def test_a_nested_run_is_neither_started_by_the_sweeper_nor_left_open(
    me: Registered, starter: Starter, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its caller dies after it was stored; later the platform closes the caller."""
    path, expert = pair

    class Dead(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Dead

    script(monkeypatch, question("6*7?"))
    monkeypatch.setattr(recall, "recall", lambda row, *_: die() if row.parent_execution_id else Context(
        system="", history=[], reasons=[]
    ))  # fmt: skip
    monkeypatch.setattr(loop, "recall", recall.recall)
    started = me.client.post(f"{path}/executions", {"input": "ask the expert"})
    with pytest.raises(Dead):
        starter.run_pending()
    monkeypatch.setattr(sweeper, "SWEEP_AFTER_SECONDS", -5)
    assert sweeper.sweep() == 0 and starter.asked == [], "its caller may still come back for it"
    assert sweeper.close(started.json["id"], "FAILED", "gone")
    (child,) = me.client.get(f"{expert}/executions").json["items"]
    assert (child["status"], child["errorCode"]) == ("failed", "platform_failed")
    assert sweeper.sweep() == 0


def test_a_caller_does_not_run_out_of_time_while_a_person_thinks(
    me: Registered, starter: Starter, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, expert = pair
    tool = me.client.get(f"{expert}/tools").json["items"][0]["id"]
    assert me.client.patch(f"{expert}/tools/{tool}", {"requiresApproval": True}).status == 200
    script(monkeypatch, question("6*7?"), sum_of("6*7"), ModelReply(text="42"), DONE)
    started = me.client.post(f"{path}/executions", {"input": "ask the expert"})
    starter.run_pending()
    (approval,) = me.client.get("/v1/approvals").json["items"]
    real, later = clock.now, timedelta(minutes=10)
    monkeypatch.setattr(clock, "now", lambda: real() + later)
    assert decide(me.client, approval).status == 200
    done = me.client.get(started.headers["Location"]).json
    assert (done["status"], done["output"]) == ("completed", "done")
    assert done["executionTime"] < 600_000
