"""Tool calls that ask other agents: nested executions."""

from datetime import timedelta
from typing import Any

import pytest

from tests.agents.execution_helpers import Starter, create_agent, execute, script_replies, sweep_early
from tests.agents.tool_call_helpers import DONE, agent_call, calculator_calls, decide
from tests.factories import RegisteredUser, register
from weconnect import clock
from weconnect.agents.engine import loop, model_requests, recall
from weconnect.agents.memory.context import MemoryContext
from weconnect.agents.tools import invocation
from weconnect.executions import sweeper
from weconnect.models.messages import ModelReply, ModelRequest


@pytest.fixture
def pair(me: RegisteredUser) -> tuple[str, str]:
    """Create an agent that asks another one, which has a calculator; return both paths."""
    expert = me.client.post("/v1/agents", {"name": "Expert"}).json["id"]
    assert me.client.post(f"/v1/agents/{expert}/tools", {"toolName": "calculator"}).status == 201
    path = create_agent(me)
    tool = {"toolName": "expert", "toolType": "agent", "configuration": {"agentId": expert}}
    made = me.client.post(f"{path}/tools", tool)
    assert made.status == 201, made.text
    return path, f"/v1/agents/{expert}"


def test_an_agent_asks_another_agent(
    me: RegisteredUser, starter: Starter, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, expert = pair
    requests = script_replies(
        monkeypatch, agent_call("6*7?"), calculator_calls("6*7"), ModelReply(text="42", cost_micros=50), DONE
    )
    done = execute(me, starter, path, "ask the expert")
    assert (done["status"], done["output"]) == ("completed", "done")
    assert requests[3].messages[-1].content == "42"
    assert done["cost"] == pytest.approx(0.00035), "the nested requests are part of this execution's cost"
    step = done["steps"][1]
    assert step["result"] == {"output": "42"}
    child = me.client.get(f"{expert}/executions/{step['executionId']}").json
    assert (child["status"], child["parentExecutionId"]) == ("completed", done["id"])
    assert [item["type"] for item in child["steps"]] == ["model", "tool", "model"]
    assert me.client.get(expert).json["totalExecutions"] == 1
    counted = me.client.get(f"/v1/organizations/{me.organization['id']}").json["currentMonthExecutions"]
    assert counted == 1, "the nested execution does not count towards the plan"


def test_an_agent_can_be_asked_by_its_name(
    me: RegisteredUser, starter: Starter, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_agent(me, "ask_agent", name="Asker")
    reply = agent_call("hello", "ask_agent", agent="expert")
    unknown = agent_call("hello", "ask_agent", agent="nobody")
    requests = script_replies(monkeypatch, reply, ModelReply(text="hi"), unknown, DONE)
    assert execute(me, starter, path, "ask")["status"] == "completed"
    assert requests[2].messages[-1].content == "hi"
    assert requests[3].messages[-1].is_error and "nobody" in requests[3].messages[-1].content


def test_agents_that_ask_each_other_stop_at_the_deepest_level(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_agent(me, "ask_agent")
    again = [agent_call("again", "ask_agent", agent="Helper") for _ in range(6)]
    requests = script_replies(monkeypatch, *again, *[DONE] * 6)
    assert execute(me, starter, path, "go")["status"] == "completed"
    assert "at most 5 levels deep" in requests[6].messages[-1].content
    assert len(me.client.get(f"{path}/executions").json["items"]) == 6


def test_a_nested_execution_is_limited_to_the_rest_of_the_callers_budget(
    me: RegisteredUser, starter: Starter, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, expert = pair
    assert me.client.patch(path, {"limits": {"maxCostUsd": 0.00025}}).status == 200
    requests = script_replies(
        monkeypatch,
        agent_call("6*7?"),
        calculator_calls("1+1"),
        calculator_calls("1+1"),
        calculator_calls("1+1"),
        DONE,
    )
    done = execute(me, starter, path, "ask the expert")
    assert len(requests) == 3, "100 of 250 are used, then two nested requests of 100 each"
    child = me.client.get(f"{expert}/executions").json["items"][0]
    assert child["errorCode"] == "budget_exceeded"
    assert done["errorCode"] == "budget_exceeded" and done["cost"] == pytest.approx(0.0003)


def test_cancelling_an_execution_cancels_the_nested_one(
    me: RegisteredUser, starter: Starter, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, expert = pair
    calls: list[str] = []

    def call(tool: Any, arguments: Any, context: Any) -> Any:
        calls.append(tool.name)
        (parent,) = me.client.get(f"{path}/executions").json["items"]
        assert me.client.post(f"{path}/executions/{parent['id']}/cancel").status == 202
        return {"result": 2}

    monkeypatch.setattr(invocation, "call_tool", call)
    requests = script_replies(
        monkeypatch, agent_call("6*7?"), calculator_calls("1+1"), calculator_calls("2+2"), DONE
    )
    done = execute(me, starter, path, "ask the expert")
    assert done["status"] == "cancelled" and calls == ["calculator"] and len(requests) == 2
    assert me.client.get(f"{expert}/executions").json["items"][0]["status"] == "cancelled"


def test_a_tool_can_only_ask_agents_of_its_organization(me: RegisteredUser) -> None:
    path = create_agent(me)
    missing = me.client.post(f"{path}/tools", {"toolName": "x", "toolType": "agent"})
    assert missing.status == 422
    stranger = register("stranger@example.com").client.post("/v1/agents", {"name": "Theirs"}).json["id"]
    tool = {"toolName": "x", "toolType": "agent", "configuration": {"agentId": stranger}}
    refused = me.client.post(f"{path}/tools", tool)
    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "/configuration/agentId")
    mine = me.client.post("/v1/agents", {"name": "Mine"}).json["id"]
    location = me.client.post(f"{path}/tools", tool | {"configuration": {"agentId": mine}}).headers[
        "Location"
    ]
    changed = me.client.patch(location, {"configuration": {"agentId": stranger}})
    assert (changed.status, changed.json["errors"][0]["pointer"]) == (422, "/configuration/agentId")


def test_testing_a_tool_that_asks_an_agent_starts_an_execution(
    me: RegisteredUser, starter: Starter, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The execution runs while the route waits for it."""
    path, _ = pair
    monkeypatch.setattr(
        type(starter),
        "invoke",
        lambda self, **request: self.invocations.append(request) or self.run_pending(),
    )
    script_replies(monkeypatch, ModelReply(text="42"))
    tool = me.client.get(f"{path}/tools").json["items"][0]["id"]
    tried = me.client.post(f"{path}/tools/{tool}/test", {"arguments": {"input": "6*7?"}})
    assert (tried.status, tried.json["result"]) == (200, {"output": "42"})


def test_the_sweeper_does_not_start_a_nested_execution_but_closes_it(
    me: RegisteredUser, starter: Starter, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The calling function dies after the nested execution was stored; later the platform closes the caller."""
    path, expert = pair

    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    script_replies(monkeypatch, agent_call("6*7?"))
    monkeypatch.setattr(recall, "recall", lambda row, *_: die() if row.parent_execution_id else MemoryContext(
        system="", history=[], reasons=[]
    ))  # fmt: skip
    monkeypatch.setattr(loop, "recall", recall.recall)
    started = me.client.post(f"{path}/executions", {"input": "ask the expert"})
    with pytest.raises(Killed):
        starter.run_pending()
    sweep_early(monkeypatch, "pending", "nested")
    assert sweeper.sweep() == 0 and starter.invocations == [], "the calling function may still resume it"
    assert sweeper.close(started.json["id"], "FAILED", "gone")
    (child,) = me.client.get(f"{expert}/executions").json["items"]
    assert (child["status"], child["errorCode"]) == ("failed", "platform_failed")
    assert sweeper.sweep() == 0


def test_a_nested_execution_cancelled_in_its_last_step_returns_no_output(
    me: RegisteredUser, starter: Starter, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, expert = pair
    requests = script_replies(monkeypatch, agent_call("6*7?"), ModelReply(text="42"), DONE)
    send = vars(model_requests)["send_request"]  # the scripted replies

    def cancel_the_nested_one(request: ModelRequest, key: str | None) -> ModelReply:
        reply: ModelReply = send(request, key)
        if reply.text == "42":
            (nested,) = me.client.get(f"{expert}/executions").json["items"]
            assert me.client.post(f"{expert}/executions/{nested['id']}/cancel").status == 202
        return reply

    monkeypatch.setattr(model_requests, "send_request", cancel_the_nested_one)
    assert execute(me, starter, path, "ask the expert")["status"] == "completed"
    assert me.client.get(f"{expert}/executions").json["items"][0]["status"] == "cancelled"
    assert requests[2].messages[-1].content == "The execution was cancelled"


def test_waiting_for_an_approval_does_not_count_towards_the_callers_timeout(
    me: RegisteredUser, starter: Starter, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, expert = pair
    tool = me.client.get(f"{expert}/tools").json["items"][0]["id"]
    assert me.client.patch(f"{expert}/tools/{tool}", {"requiresApproval": True}).status == 200
    script_replies(monkeypatch, agent_call("6*7?"), calculator_calls("6*7"), ModelReply(text="42"), DONE)
    started = me.client.post(f"{path}/executions", {"input": "ask the expert"})
    starter.run_pending()
    (approval,) = me.client.get("/v1/approvals").json["items"]
    real, later = clock.now, timedelta(minutes=10)
    monkeypatch.setattr(clock, "now", lambda: real() + later)
    assert decide(me.client, approval).status == 200
    done = me.client.get(started.headers["Location"]).json
    assert (done["status"], done["output"]) == ("completed", "done")
    assert done["executionTime"] < 600_000
