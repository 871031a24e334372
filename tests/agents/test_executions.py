"""Runs of agents through their routes, with the loop carried out in memory."""

from datetime import timedelta

import pytest

from tests.agents.runs import Starter, agent, run, script
from tests.factories import registered
from tests.recorded import Recorded
from weconnect import clock
from weconnect.agents.engine import executions, model_requests, sweeper
from weconnect.agents.models import ProviderError
from weconnect.agents.models.messages import ModelReply, ToolCall
from weconnect.api import idempotency


@pytest.fixture
def me(aws: None):
    return registered()


def test_a_run_uses_a_tool_and_is_counted(me, starter: Starter) -> None:
    path = agent(me, "calculator")
    before = me.client.get(path).headers["ETag"]
    done = run(me, starter, path, "what is 17 * 23?")
    assert (done["status"], done["metadata"]["toolsUsed"]) == ("completed", ["calculator"])
    assert "391" in done["output"]
    assert [(step["number"], step["type"]) for step in done["steps"]] == [
        (1, "model"),
        (2, "tool"),
        (3, "model"),
    ]
    assert (
        done["steps"][1]["arguments"] == {"expression": "17 * 23"}
        and done["steps"][1]["result"]["result"] == 391
    )
    assert done["metadata"]["isLanguageModel"] is False and done["cost"] == 0
    head = me.client.get(path)
    assert head.headers["ETag"] == before, "a run breaks nobody's If-Match"
    assert (head.json["totalExecutions"], head.json["successRate"]) == (1, 100)
    tool = me.client.get(f"{path}/tools").json["items"][0]
    assert tool["usageCount"] == 1 and tool["lastUsedAt"] and tool["version"] == 1
    stats = me.client.get(f"{path}/stats").json
    assert stats["runs"] == {"completed": 1, "failed": 0, "timeout": 0, "cancelled": 0}
    assert me.client.get("/v1/agents").json["items"][0]["totalExecutions"] == 1


def test_remember_in_one_run_and_use_in_another(me, starter: Starter) -> None:
    path = agent(me, "memory_search", "memory_save")
    saved = run(me, starter, path, "Remember that my favourite colour is teal")
    assert saved["metadata"]["toolsUsed"] == ["memory_save"]
    assert "teal" in run(me, starter, path, "What is my favourite colour?")["output"]
    memories = me.client.get(f"{path}/memories").json["items"]
    assert len(memories) == 1 and memories[0]["memoryType"] == "semantic"


def test_a_conversation_is_windowed(me, starter: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    path = agent(me, configuration={"memoryConfig": {"windowSize": 2, "maxTokens": 1000}})
    for number in range(4):
        script(monkeypatch, ModelReply(text=f"answer {number}"))
        run(me, starter, path, f"question {number}", sessionId="s#1")
    seen = script(monkeypatch, ModelReply(text="x"))
    run(me, starter, path, "last", sessionId="s#1")
    assert [message.content for message in seen[0].messages] == [
        "question 2", "answer 2", "question 3", "answer 3", "last"
    ]  # fmt: skip
    sessions = me.client.get(f"{path}/sessions").json["items"]
    assert [(item["sessionId"], item["turns"]) for item in sessions] == [("s#1", 5)]
    assert len(me.client.get(f"{path}/executions?sessionId=s%231").json["items"]) == 5
    erased = me.client.delete(f"{path}/memories?sessionId=s%231")
    assert erased.json == {"deleted": 10}
    assert me.client.get(f"{path}/sessions").json["items"] == []


def test_budget_is_checked_before_each_request(me, starter: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    path = agent(me, "calculator", limits={"maxSteps": 2})
    call = ModelReply(
        tool_calls=[ToolCall(id="1", name="calculator", arguments={"expression": "1+1"})], cost_micros=1
    )
    seen = script(monkeypatch, call, call, call)
    done = run(me, starter, path, "loop for ever")
    assert (done["status"], done["errorCode"], len(seen)) == ("failed", "budget_exceeded", 2)


@pytest.mark.parametrize(("cost", "requests"), [(600_000, 2), (None, 1)])
def test_money_fails_closed(me, starter: Starter, monkeypatch, cost: int | None, requests: int) -> None:
    path = agent(me, "calculator", limits={"maxCostUsd": 1})
    call = ModelReply(
        tool_calls=[ToolCall(id="1", name="calculator", arguments={"expression": "1+1"})], cost_micros=cost
    )
    seen = script(monkeypatch, *[call] * 5)
    done = run(me, starter, path, "spend")
    assert (done["errorCode"], len(seen)) == ("budget_exceeded", requests)
    assert done.get("cost") == (None if cost is None else 1.2)


def test_provider_errors_end_the_run_with_their_code(me, starter: Starter, monkeypatch) -> None:
    path = agent(me)
    script(monkeypatch, ProviderError("refused", "I would rather not"))
    done = run(me, starter, path, "hello")
    assert (done["status"], done["errorCode"], done["error"]) == (
        "failed",
        "provider_refused",
        "I would rather not",
    )
    assert done["steps"][0]["error"] == "I would rather not"


def test_a_tool_that_fails_is_told_to_the_model(me, starter: Starter, monkeypatch) -> None:
    path = agent(me, "calculator")
    bad = ModelReply(tool_calls=[ToolCall(id="1", name="calculator", arguments={"expression": "1/0"})])
    unknown = ModelReply(tool_calls=[ToolCall(id="2", name="nothing", arguments={})])
    seen = script(monkeypatch, bad, unknown, ModelReply(text="sorry"))
    done = run(me, starter, path, "divide")
    assert done["status"] == "completed"
    assert [message.is_error for message in seen[2].messages if message.role == "tool"] == [True, True]


def test_a_replay_does_nothing_twice(me, starter: Starter, monkeypatch) -> None:
    path = agent(me, "calculator")
    call = ModelReply(tool_calls=[ToolCall(id="1", name="calculator", arguments={"expression": "2+2"})])
    seen = script(monkeypatch, call, ModelReply(text="four"))
    started = me.client.post(f"{path}/executions", {"input": "2+2?"})
    steps, asked = Recorded(), list(starter.asked)
    starter.run_pending(steps)
    names = list(steps.names)
    starter.asked = asked
    starter.run_pending(steps)
    assert steps.names == names and len(seen) == 2
    assert me.client.get(started.headers["Location"]).json["output"] == "four"
    assert me.client.get(path).json["totalExecutions"] == 1


def test_cancel(me, starter: Starter, monkeypatch) -> None:
    path = agent(me, "calculator")
    started = me.client.post(f"{path}/executions", {"input": "hello"}).headers["Location"]
    assert me.client.post(f"{started}/cancel").json["status"] == "cancelled"
    starter.run_pending()
    assert me.client.get(started).json["status"] == "cancelled" and me.client.get(started).json["steps"] == []
    assert me.client.post(f"{started}/cancel").json["code"] == "already_finished"

    second = me.client.post(f"{path}/executions", {"input": "hello"}).headers["Location"]

    def cancel_meanwhile(request, key):
        assert me.client.post(f"{second}/cancel").status == 202
        return ModelReply(tool_calls=[ToolCall(id="1", name="calculator", arguments={"expression": "1"})])

    monkeypatch.setattr(model_requests, "complete", cancel_meanwhile)
    starter.run_pending()
    done = me.client.get(second).json
    assert (done["status"], [step["type"] for step in done["steps"]]) == ("cancelled", ["model"])


def test_lists_by_status_time_and_slowness(me, starter: Starter, monkeypatch) -> None:
    path = agent(me)
    script(monkeypatch, ModelReply(text="a"), ProviderError("refused", "no"), ModelReply(text="b"))
    made = [run(me, starter, path, f"n{number}")["id"] for number in range(3)]
    ids = [item["id"] for item in me.client.get(f"{path}/executions").json["items"]]
    assert ids == made[::-1]
    failed = me.client.get(f"{path}/executions?status=failed").json["items"]
    assert [item["id"] for item in failed] == [made[1]]
    slowest = me.client.get(f"{path}/executions?sort=slowest").json["items"]
    times = [item["executionTime"] for item in slowest]
    assert len(times) == 3 and times == sorted(times, reverse=True)
    start = me.client.get(f"{path}/executions/{made[0]}").json["createdAt"]
    assert len(me.client.get(f"{path}/executions?from={start[:19]}Z").json["items"]) == 3
    assert me.client.get(f"{path}/executions?to={start[:19]}Z").json["items"] == []
    assert me.client.get(f"{path}/executions?from=yesterday").json["errors"][0]["pointer"] == "/query/from"


def test_limits_hold_the_start(me, starter: Starter) -> None:
    path = agent(me)
    limit = me.client.put(f"/v1/execution-limits/{me.user['id']}/hourly", {"maxExecutions": 2})
    assert limit.status == 200, limit.text
    assert [me.client.post(f"{path}/executions", {"input": "x"}).status for _ in range(3)] == [202, 202, 429]
    refused = me.client.post(f"{path}/executions", {"input": "x"})
    assert refused.json["code"] == "execution_limit_reached" and int(refused.headers["Retry-After"]) > 0
    listed = me.client.get("/v1/execution-limits").json["items"][0]
    assert (listed["currentExecutions"], listed["remainingExecutions"], listed["isExceeded"]) == (2, 0, True)


def test_inactive_agents_do_not_run(me, starter: Starter) -> None:
    path = agent(me, isActive=False)
    assert me.client.post(f"{path}/executions", {"input": "x"}).json["code"] == "agent_inactive"


def test_a_retry_after_a_crash_finds_the_same_run(me, starter: Starter, monkeypatch) -> None:
    path = agent(me)
    start = f"{path}/executions", {"input": "x"}
    key = {"Idempotency-Key": "once"}
    with monkeypatch.context() as crash:
        crash.setattr(executions, "invoke", lambda row: (_ for _ in ()).throw(SystemExit()))
        crash.setattr(idempotency, "_release", lambda row: None)
        with pytest.raises(SystemExit):
            me.client.post(*start, headers=key)
    stored = me.client.get(f"{path}/executions").json["items"]
    assert me.client.post(*start, headers=key).json["code"] == "idempotency_in_flight"
    later = clock.now() + timedelta(seconds=idempotency.LEASE_SECONDS + 1)
    monkeypatch.setattr(clock, "now", lambda: later)
    again = me.client.post(*start, headers=key)
    assert (again.status, again.json["id"]) == (202, stored[0]["id"])
    assert len(me.client.get(f"{path}/executions").json["items"]) == 1


def test_what_was_stored_and_not_started_is_swept(me, starter: Starter, monkeypatch) -> None:
    path = agent(me)
    starter.fails = True
    started = me.client.post(f"{path}/executions", {"input": "hello"})
    assert started.status == 202
    starter.fails = False
    assert sweeper.sweep() == 0, "younger than 30 s"
    monkeypatch.setattr(sweeper, "SWEEP_AFTER_SECONDS", -5)
    assert sweeper.sweep() == 1
    starter.run_pending()
    assert me.client.get(started.headers["Location"]).json["status"] == "completed"
    assert sweeper.sweep() == 0


def test_the_platform_closes_what_its_function_could_not(me, starter: Starter) -> None:
    from agents.on_run_ended import handler

    path = agent(me)
    started = me.client.post(f"{path}/executions", {"input": "hello"})
    event = {"detail": {"durableExecutionName": started.json["id"], "status": "TIMED_OUT"}}
    assert handler(event, None) == {"closed": True}
    assert handler(event, None) == {"closed": False}
    assert me.client.get(started.headers["Location"]).json["status"] == "timeout"
    assert me.client.get(path).json["totalExecutions"] == 1


def test_long_texts_leave_the_row(me, starter: Starter, monkeypatch) -> None:
    path = agent(me)
    script(monkeypatch, ModelReply(text="é" * 90_000))
    done = run(me, starter, path, "ü" * 50_000)
    assert done["input"] == "ü" * 50_000 and done["output"] == "é" * 90_000
