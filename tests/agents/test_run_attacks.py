"""Runs, approvals and nested runs under somebody who wants an effect twice, unasked, or a run that never ends."""

import json
import random
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.agents.runs import Recorded, Starter, agent, run, script
from tests.agents.test_tool_calls import DONE, decide, question, sum_of, waiting
from tests.factories import Registered, registered
from tests.gateway import Client
from tests.organizations import people
from weconnect import clock
from weconnect.agents.engine import executions, model_requests, sub_agents, sweeper
from weconnect.agents.models import ProviderError
from weconnect.agents.models.messages import ModelReply, ToolCall
from weconnect.agents.rows import ExecutionRow
from weconnect.agents.tools import http_tool, invocation, mcp_tool
from weconnect.api.caller import Caller
from weconnect.approvals import service as approvals
from weconnect.db import payloads
from weconnect.executions.rows import ApprovalRow
from weconnect.outbound.client import OutboundResponse

DEEP = b'{"a":' * 300 + b"1" + b"}" * 300


@pytest.fixture
def me(aws: None) -> Registered:
    return registered()


def guard(me: Registered, path: str, name: str = "calculator", **more: Any) -> None:
    tool = {"toolName": name, "requiresApproval": True, "approval": {"expiresInSeconds": 604_800}, **more}
    assert me.client.post(f"{path}/tools", tool).status == 201


@pytest.fixture
def guarded(me: Registered) -> str:
    """An agent whose calculator needs an approval."""
    path = agent(me)
    guard(me, path)
    return path


@pytest.fixture
def pair(me: Registered) -> tuple[str, str]:
    """An agent that asks another, whose calculator needs an approval."""
    expert = me.client.post("/v1/agents", {"name": "Expert"}).json["id"]
    guard(me, f"/v1/agents/{expert}")
    path = agent(me)
    tool = {"toolName": "expert", "toolType": "agent", "configuration": {"agentId": expert}}
    assert me.client.post(f"{path}/tools", tool).status == 201
    return path, f"/v1/agents/{expert}"


def only_run(me: Registered, path: str) -> dict[str, Any]:
    (found,) = me.client.get(f"{path}/executions").json["items"]
    return found  # type: ignore[no-any-return]


def later(monkeypatch: pytest.MonkeyPatch, **more: float) -> None:
    moment = clock.now() + timedelta(**more)
    monkeypatch.setattr(clock, "now", lambda: moment)


def caller_of(me: Registered) -> Caller:
    return Caller(
        user_id=UUID(me.user["id"]),
        organization_id=UUID(me.organization["id"]),
        role="owner",
        permissions=frozenset({"agents:execute"}),
    )


# Approvals


def test_arguments_that_do_not_fit_are_no_way_around_an_approval(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    expert = me.client.post("/v1/agents", {"name": "Expert"}).json["id"]
    path = agent(me)
    guard(me, path, "expert", toolType="agent", configuration={"agentId": expert})
    sneaky = ToolCall(id="ask", name="expert", arguments={"question": "wire the money"})
    seen = script(monkeypatch, ModelReply(tool_calls=[sneaky]), DONE, DONE)
    assert run(me, starter, path, "go")["status"] == "completed"
    assert seen[1].messages[-1].is_error and "do not fit" in seen[1].messages[-1].content
    assert me.client.get(f"/v1/agents/{expert}/executions").json["items"] == []


def test_an_agent_that_is_not_named_is_an_error_of_the_call(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = agent(me, "ask_agent")
    call = ToolCall(id="ask", name="ask_agent", arguments={"input": "whom?"})
    seen = script(monkeypatch, ModelReply(tool_calls=[call]), DONE)
    assert run(me, starter, path, "go")["status"] == "completed"
    assert "do not fit" in seen[1].messages[-1].content


def test_trying_a_tool_is_no_way_around_an_approval(
    me: Registered, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[Any] = []
    monkeypatch.setattr(invocation, "call", lambda *asked: called.append(asked))
    flags = {"canRead": True, "canWrite": True, "canExecute": True}
    made = me.client.post("/v1/api-keys", {"name": "ci", "scopes": ["*"], "permissions": flags})
    key = Client(headers={"X-API-Key": made.json["key"]})
    place = me.client.get(f"{guarded}/tools").json["items"][0]["id"]
    attempt = {"arguments": {"expression": "6*7"}}
    refused = key.post(f"{guarded}/tools/{place}/test", attempt)
    assert (refused.status, refused.json["code"], called) == (403, "own_run", [])
    people.confirm(me)
    other = people.colleague(me, "member").user["id"]
    changed = me.client.patch(f"{guarded}/tools/{place}", {"approval": {"users": [other]}})
    assert changed.status == 200
    refused = me.client.post(f"{guarded}/tools/{place}/test", attempt)
    assert (refused.status, refused.json["code"], called) == (403, "not_an_approver", [])
    me.client.patch(f"{guarded}/tools/{place}", {"approval": {}})
    assert me.client.post(f"{guarded}/tools/{place}/test", attempt).status == 200 and len(called) == 1


@pytest.mark.parametrize(
    "limits",
    [{"maxCostUsdPerMonth": 1e-9}, {"maxCostUsdPerMonth": 1e300}, {"maxTokensPerMonth": 10**40}],
)
def test_a_budget_is_a_number_that_can_be_counted(me: Registered, limits: dict[str, Any]) -> None:
    """Less than a millionth of a dollar would be none, and let the month's first request in."""
    assert me.client.post("/v1/agents", {"name": "x", "limits": limits}).status == 422


def test_who_loses_a_decision_does_not_choose_its_arguments(
    me: Registered, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two approvers edit at once, both with arguments that leave the row; the slower one stores theirs last."""
    script(monkeypatch, sum_of("6*7"), DONE)
    found, approval = waiting(me, starter, guarded)
    monkeypatch.setattr(approvals, "INLINE_BYTES", 10)
    winner, loser = {"expression": "1+1"}, {"expression": "2+2"}
    store, raced = payloads.store, []

    def slow(organization_id: Any, name: str, *more: Any) -> Any:
        if "/edited" in name and not raced:
            raced.append(name)
            monkeypatch.setattr(payloads, "store", store)
            starter.fails = True  # the run wakes after both
            assert decide(me.client, approval, arguments=winner).status == 200
        return store(organization_id, name, *more)

    monkeypatch.setattr(payloads, "store", slow)
    assert decide(me.client, approval, arguments=loser).json["code"] == "already_decided"
    starter.fails = False
    assert sweeper.sweep() == 1
    step = me.client.get(f"{guarded}/executions/{found['id']}").json["steps"][1]
    assert step["arguments"] == winner


def test_a_key_without_agents_reads_no_arguments(
    me: Registered, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, sum_of("6*7"), DONE)
    _, approval = waiting(me, starter, guarded)
    keys = [
        Client(headers={"X-API-Key": me.client.post(
            "/v1/api-keys", {"name": scope, "scopes": [scope], "permissions": {"canRead": True, "canWrite": True}}
        ).json["key"]})
        for scope in ("agents:create", "agents:read")
    ]  # fmt: skip
    place = f"/v1/approvals/{approval['id']}"
    refused = keys[0].get(place)
    assert (refused.status, refused.json["code"]) == (403, "permission_missing")
    assert keys[1].get(place).json["arguments"] == {"expression": "6*7"}


def test_a_run_that_may_not_wait_takes_its_questions_back(
    me: Registered, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, sum_of("6*7"), DONE)
    request = approvals.request

    def cancelled_meanwhile(*asked: Any) -> None:
        request(*asked)
        running = only_run(me, guarded)
        assert me.client.post(f"{guarded}/executions/{running['id']}/cancel").status == 202

    monkeypatch.setattr(approvals, "request", cancelled_meanwhile)
    assert run(me, starter, guarded, "go")["status"] == "cancelled"
    assert me.client.get("/v1/approvals").json["items"] == []
    assert len(me.client.get("/v1/approvals?status=cancelled").json["items"]) == 1


def test_a_cancel_that_meets_the_beginning_of_a_wait_counts(
    me: Registered, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, sum_of("6*7"), DONE)
    started = me.client.post(f"{guarded}/executions", {"input": "go"})
    need = executions.need

    def stale(*at: Any) -> ExecutionRow:
        monkeypatch.setattr(executions, "need", need)
        row = need(*at)
        row.set(status="running")
        starter.run_pending()  # it waits before the cancellation is written
        return row

    monkeypatch.setattr(executions, "need", stale)
    cancelled = me.client.post(f"{started.headers['Location']}/cancel")
    assert (cancelled.status, cancelled.json["status"]) == (202, "cancelled"), cancelled.text


def test_one_answer_that_cannot_be_sent_holds_up_no_other(
    me: Registered, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, sum_of("1+1"), sum_of("2+2"), DONE, DONE)
    for _ in range(2):
        run(me, starter, guarded, "go")
    starter.fails = True
    poison, other = me.client.get("/v1/approvals?limit=25").json["items"][::-1]
    for approval in (poison, other):
        assert decide(me.client, approval).status == 200
    starter.fails = False
    deliver = approvals._deliver

    def broken(row: ApprovalRow) -> bool:
        if row.id == poison["id"]:
            raise RuntimeError("this row cannot be read")
        return deliver(row)

    monkeypatch.setattr(approvals, "_deliver", broken)
    assert sweeper.sweep() == 1


def test_answers_that_nobody_waits_for_leave_the_sweep(
    me: Registered, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run was closed before it said where it waits: its question would be tried each minute for months."""
    monkeypatch.setattr(approvals, "wait_at", lambda *_: None)
    script(monkeypatch, sum_of("1+1"), DONE)
    found, _ = waiting(me, starter, guarded)
    assert sweeper.close(found["id"], "STOPPED", "stopped")
    assert len(list(ApprovalRow.gsi3.query(ApprovalRow.undelivered()))) == 1
    later(monkeypatch, days=7, minutes=1)
    sweeper.sweep()
    assert list(ApprovalRow.gsi3.query(ApprovalRow.undelivered())) == []


# Runs that nobody carries on


def test_a_nested_run_is_begun_by_its_caller_alone(
    me: Registered, starter: Starter, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A nested run has its caller's time in its id, so that it looks as old as that one from its first moment."""
    path, _ = pair
    monkeypatch.setattr(sweeper, "SWEEP_AFTER_SECONDS", -5)
    begin = sub_agents._begin

    def swept_meanwhile(*asked: Any) -> dict[str, Any]:
        begun = begin(*asked)
        sweeper.sweep()
        return begun

    monkeypatch.setattr(sub_agents, "_begin", swept_meanwhile)
    script(monkeypatch, question("6*7?"), ModelReply(text="42"), DONE)
    assert me.client.post(f"{path}/executions", {"input": "go"}).status == 202
    starter._carry(starter.asked.pop(), Recorded())
    assert starter.asked == [], "no function of its own was started for it"


def test_a_run_whose_nested_run_waits_is_not_lost(
    me: Registered, starter: Starter, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, expert = pair
    script(monkeypatch, question("6*7?"), sum_of("6*7"), ModelReply(text="42"), DONE)
    found = run(me, starter, path, "go")
    assert (found["status"], only_run(me, expert)["status"]) == ("running", "waiting")
    (approval,) = me.client.get("/v1/approvals").json["items"]
    monkeypatch.setattr(sweeper, "SWEEP_AFTER_SECONDS", -5)
    with monkeypatch.context() as days:
        later(days, days=3)
        assert sweeper.sweep() == 0
        complete, swept = model_requests.complete, []

        def swept_meanwhile(*asked: Any) -> ModelReply:
            swept.append(sweeper.sweep())
            return complete(*asked)

        monkeypatch.setattr(model_requests, "complete", swept_meanwhile)
        approvals.decide(caller_of(me), UUID(approval["id"]), approvals.Decision(decision="approve"))
        assert len(swept) == 2, "in the nested run, and when its caller goes on"
    done = me.client.get(f"{path}/executions/{found['id']}").json
    assert (done["status"], done["output"]) == ("completed", "done"), done["error"]
    assert done["executionTime"] < 3_600_000, "the three days are not the run's own time"


def test_cancelling_a_run_wakes_the_run_it_waits_for(
    me: Registered, starter: Starter, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, expert = pair
    seen = script(monkeypatch, question("6*7?"), sum_of("6*7"), DONE, DONE)
    found = run(me, starter, path, "go")
    place = f"{path}/executions/{found['id']}"
    assert me.client.post(f"{place}/cancel").status == 202
    assert me.client.get(place).json["status"] == "cancelled"
    assert only_run(me, expert)["status"] == "cancelled" and len(seen) == 2
    assert me.client.get("/v1/approvals").json["items"] == []


def test_what_the_platform_ends_takes_its_nested_runs_along(
    me: Registered, starter: Starter, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, expert = pair
    script(monkeypatch, question("6*7?"), sum_of("6*7"), DONE, DONE)
    found = run(me, starter, path, "go")
    starter.waiting.clear()  # its function is gone
    assert sweeper.close(found["id"], "STOPPED", "stopped")
    assert only_run(me, path)["status"] == "failed"
    assert only_run(me, expert)["status"] == "failed"
    assert me.client.get("/v1/approvals").json["items"] == []


def test_a_run_that_waits_for_ever_is_closed(
    me: Registered, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its function ended, and the platform's event was lost."""
    script(monkeypatch, sum_of("6*7"), DONE)
    waiting(me, starter, guarded)
    starter.waiting.clear()
    with monkeypatch.context() as days:
        later(days, days=9)
        sweeper.sweep()
    assert only_run(me, guarded)["errorCode"] == "lost"


def test_the_closer_reads_the_run_itself_and_not_a_late_index(
    me: Registered, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(monkeypatch, sum_of("6*7"), DONE)
    found, approval = waiting(me, starter, guarded)
    query = type(ExecutionRow.gsi3).query

    def late(index: Any, *asked: Any, **more: Any) -> Any:
        for row in query(index, *asked, **more):
            row.set(version=row.version - 1, waiting_for=None)
            yield row

    monkeypatch.setattr(type(ExecutionRow.gsi3), "query", late)
    assert sweeper.close(found["id"], "STOPPED", "stopped")
    assert me.client.get(f"/v1/approvals/{approval['id']}").json["status"] == "cancelled"


# What models and servers say


@pytest.mark.parametrize(
    "text", ['{"a":' * 100_000, '{"a":' * 300 + "1" + "}" * 300, '{"a":NaN}', '{"a":1e999}']
)
def test_an_answer_that_is_no_json_of_use_is_corrected(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    path = agent(me, outputSchema={"type": "object"})
    script(monkeypatch, ModelReply(text=text), ModelReply(text="{}"))
    done = run(me, starter, path, "go")
    assert (done["status"], done["structuredOutput"]) == ("completed", {})


def test_a_call_that_is_too_deep_is_paid_for_and_asked_again(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = agent(me, "calculator")
    call = ToolCall(id="deep", name="calculator", arguments=json.loads(DEEP))
    script(monkeypatch, ModelReply(tool_calls=[call], input_tokens=10, cost_micros=100), DONE)
    done = run(me, starter, path, "go")
    assert (done["status"], done["inputTokens"], done["cost"]) == ("completed", 20, pytest.approx(0.0002))
    assert "too deeply" in done["steps"][0]["error"]


@pytest.mark.parametrize("asked", [float("nan"), float("inf"), -1e9])
def test_an_odd_pause_is_no_end_of_a_run(
    me: Registered, starter: Starter, monkeypatch: pytest.MonkeyPatch, asked: float
) -> None:
    path = agent(me)
    error = ProviderError("rate_limited", "slowly", retry_after=asked)
    script(monkeypatch, error, DONE)
    assert run(me, starter, path, "go")["status"] in ("completed", "failed")


def test_a_share_of_what_is_not_known_is_nothing(
    me: Registered, starter: Starter, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, expert = pair
    assert me.client.patch(path, {"limits": {"maxCostUsd": 1}}).status == 200
    unknown = question("6*7?").model_copy(update={"cost_micros": None})
    seen = script(monkeypatch, unknown, DONE, DONE)
    assert run(me, starter, path, "go")["errorCode"] == "budget_exceeded"
    assert len(seen) == 1 and only_run(me, expert)["errorCode"] == "budget_exceeded"


def test_twenty_questions_are_asked_at_once(
    me: Registered, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question that is announced late would be waited for when its own time is over."""
    most: list[int | None] = []
    parallel = Recorded.parallel

    def noted(self: Recorded, name: str, branches: Any, **more: Any) -> Any:
        most.append(more.get("at_once"))
        return parallel(self, name, branches)

    monkeypatch.setattr(Recorded, "parallel", noted)
    script(monkeypatch, sum_of(*["1+1"] * 20), DONE)
    assert len(run(me, starter, guarded, "go")["waitingFor"]) == 20
    assert most == [20]


def test_what_is_too_deep_to_be_shown_again_is_taken_as_text(me: Registered) -> None:
    answer = http_tool._answer(OutboundResponse(200, {}, DEEP, "https://example.com/"), [])
    assert answer["body"] == DEEP.decode()
    assert mcp_tool._value({"structuredContent": json.loads(DEEP)}) == json.dumps(json.loads(DEEP))
    body = b'{"name":"x","outputSchema":{"default":' + DEEP + b"}}"
    refused = me.client.call("POST", "/v1/agents", raw=body.decode())
    assert (refused.status, refused.json["code"]) == (400, "malformed_json")


# Everything at once


class Raced:
    """A run that asks for two permissions, and everybody who wants something of it, in a random order."""

    def __init__(self, me: Registered, starter: Starter, path: str, seed: int) -> None:
        self.me, self.starter, self.path, self.random = me, starter, path, random.Random(seed)
        self.found = run(me, starter, path, "go")
        self.approvals = {name: name for name in self.found["waitingFor"]}
        self.states = [self.found["status"]]
        self.decisions: dict[str, str] = {}

    def act(self) -> None:
        self.random.choice([self.decide, self.decide, self.cancel, self.expire, self.close, self.sweep])()
        self.states.append(only_run(self.me, self.path)["status"])

    def decide(self) -> None:
        wanted = self.random.choice(list(self.approvals))
        said = self.random.choice(["approve", "deny"])
        self.starter.fails = self.random.random() < 0.3
        answer = decide(self.me.client, {"id": wanted}, decision=said)
        self.starter.fails = False
        assert answer.status in (200, 409), answer.text
        if answer.status == 200:
            assert wanted not in self.decisions, "decided twice"
            self.decisions[wanted] = said

    def cancel(self) -> None:
        answer = self.me.client.post(f"{self.path}/executions/{self.found['id']}/cancel")
        assert answer.status in (202, 409)

    def expire(self) -> None:
        """The platform wakes the run because its callbacks' time is over."""
        waiting, self.starter.waiting = self.starter.waiting, []
        for request, steps in waiting:
            steps.sent |= dict.fromkeys(("approvals-1-1/approval-1-1", "approvals-1-2/approval-1-2"))
            self.starter._carry(request, steps)

    def close(self) -> None:
        """The platform ends the function."""
        self.starter.waiting.clear()
        sweeper.close(self.found["id"], "STOPPED", "stopped")

    def sweep(self) -> None:
        sweeper.sweep()


@pytest.mark.parametrize("seed", range(40))
def test_whatever_meets_a_run_that_waits(
    me: Registered, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    made: list[str] = []
    monkeypatch.setattr(invocation, "call", lambda tool, told, *_: made.append(told["expression"]))
    script(monkeypatch, sum_of("1+1", "2+2"), DONE)
    raced = Raced(me, starter, guarded, seed)
    asked = {
        item["id"]: item["arguments"]["expression"] for item in me.client.get("/v1/approvals").json["items"]
    }
    for _ in range(6):
        raced.act()
    raced.sweep()
    if only_run(me, guarded)["status"] == "waiting":
        raced.expire()
    last = only_run(me, guarded)["status"]
    ends = [state for state in [*raced.states, last] if state != "waiting"]
    assert ends and set(ends) == {last} and last in ("completed", "cancelled", "failed"), raced.states
    approved = {asked[key] for key, said in raced.decisions.items() if said == "approve"}
    assert len(made) == len(set(made)) and set(made) <= approved
    if last == "completed":
        assert set(made) == approved
    assert me.client.get("/v1/approvals").json["items"] == [], "nothing is asked for a run that has ended"
    assert sweeper.sweep() == 0 and starter.waiting == []
