"""Executions of agents through their routes, with the loop executed in memory."""

from datetime import timedelta
from uuid import UUID

import pytest

from tests.agents.execution_helpers import Starter, create_agent, execute, script_replies, sweep_early
from tests.factories import RegisteredUser
from tests.in_memory_steps import InMemorySteps
from weconnect import clock
from weconnect.agents.engine import loop, model_requests
from weconnect.agents.engine.execution_context import ExecutionContext
from weconnect.agents.engine.usage import Usage
from weconnect.agents.rows import AgentExecutionRow
from weconnect.api import idempotency
from weconnect.db import table
from weconnect.executions import start as starting
from weconnect.executions import sweeper
from weconnect.executions.entities import ExecutionStatus
from weconnect.executions.results import Completion
from weconnect.models import ProviderError
from weconnect.models.messages import ModelReply, ModelRequest, ToolCall


def test_an_execution_uses_a_tool_and_is_counted(me: RegisteredUser, starter: Starter) -> None:
    path = create_agent(me, "calculator")
    before = me.client.get(path).headers["ETag"]
    done = execute(me, starter, path, "what is 17 * 23?")
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
    assert head.headers["ETag"] == before, "an execution does not change the ETag"
    assert (head.json["totalExecutions"], head.json["successRate"]) == (1, 100)
    tool = me.client.get(f"{path}/tools").json["items"][0]
    assert tool["usageCount"] == 1 and tool["lastUsedAt"] and tool["version"] == 1
    stats = me.client.get(f"{path}/stats").json
    assert stats["runs"] == {"completed": 1, "failed": 0, "timeout": 0, "cancelled": 0}
    assert me.client.get("/v1/agents").json["items"][0]["totalExecutions"] == 1


def test_what_one_execution_saves_another_recalls(me: RegisteredUser, starter: Starter) -> None:
    path = create_agent(me, "memory_search", "memory_save")
    saved = execute(me, starter, path, "Remember that my favourite colour is teal")
    assert saved["metadata"]["toolsUsed"] == ["memory_save"]
    assert "teal" in execute(me, starter, path, "What is my favourite colour?")["output"]
    memories = me.client.get(f"{path}/memories").json["items"]
    assert len(memories) == 1 and memories[0]["memoryType"] == "semantic"


def test_a_conversation_is_limited_to_its_window(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_agent(me, configuration={"memoryConfig": {"windowSize": 2, "maxTokens": 1000}})
    for number in range(4):
        script_replies(monkeypatch, ModelReply(text=f"answer {number}"))
        execute(me, starter, path, f"question {number}", sessionId="s#1")
    requests_seen = script_replies(monkeypatch, ModelReply(text="x"))
    execute(me, starter, path, "last", sessionId="s#1")
    assert [message.content for message in requests_seen[0].messages] == [
        "question 2", "answer 2", "question 3", "answer 3", "last"
    ]  # fmt: skip
    sessions = me.client.get(f"{path}/sessions").json["items"]
    assert [(item["sessionId"], item["turns"]) for item in sessions] == [("s#1", 5)]
    assert len(me.client.get(f"{path}/executions?sessionId=s%231").json["items"]) == 5
    erased = me.client.delete(f"{path}/memories?sessionId=s%231")
    assert erased.json == {"deleted": 10}
    assert me.client.get(f"{path}/sessions").json["items"] == []


def test_the_step_limit_is_checked_before_each_model_request(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_agent(me, "calculator", limits={"maxSteps": 2})
    call = ModelReply(
        tool_calls=[ToolCall(id="1", name="calculator", arguments={"expression": "1+1"})], cost_micros=1
    )
    requests_seen = script_replies(monkeypatch, call, call, call)
    done = execute(me, starter, path, "loop for ever")
    assert (done["status"], done["errorCode"], len(requests_seen)) == ("failed", "budget_exceeded", 2)


@pytest.mark.parametrize(("cost", "requests"), [(600_000, 2), (None, 1)])
def test_a_cost_limit_fails_closed_when_the_price_is_unknown(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch, cost: int | None, requests: int
) -> None:
    path = create_agent(me, "calculator", limits={"maxCostUsd": 1})
    call = ModelReply(
        tool_calls=[ToolCall(id="1", name="calculator", arguments={"expression": "1+1"})], cost_micros=cost
    )
    requests_seen = script_replies(monkeypatch, *[call] * 5)
    done = execute(me, starter, path, "spend")
    assert (done["errorCode"], len(requests_seen)) == ("budget_exceeded", requests)
    assert done.get("cost") == (None if cost is None else 1.2)


def test_a_provider_error_fails_the_execution_with_its_code(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_agent(me)
    script_replies(monkeypatch, ProviderError("refused", "I would rather not"))
    done = execute(me, starter, path, "hello")
    assert (done["status"], done["errorCode"], done["error"]) == (
        "failed",
        "provider_refused",
        "I would rather not",
    )
    assert done["steps"][0]["error"] == "I would rather not"


def test_the_model_receives_the_error_of_a_failed_tool_call(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_agent(me, "calculator")
    bad = ModelReply(tool_calls=[ToolCall(id="1", name="calculator", arguments={"expression": "1/0"})])
    unknown = ModelReply(tool_calls=[ToolCall(id="2", name="nothing", arguments={})])
    requests_seen = script_replies(monkeypatch, bad, unknown, ModelReply(text="sorry"))
    done = execute(me, starter, path, "divide")
    assert done["status"] == "completed"
    assert [message.is_error for message in requests_seen[2].messages if message.role == "tool"] == [
        True,
        True,
    ]


def test_a_replay_executes_no_step_twice(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_agent(me, "calculator")
    call = ModelReply(tool_calls=[ToolCall(id="1", name="calculator", arguments={"expression": "2+2"})])
    requests_seen = script_replies(monkeypatch, call, ModelReply(text="four"))
    started = me.client.post(f"{path}/executions", {"input": "2+2?"})
    steps, requests = InMemorySteps(), list(starter.invocations)
    starter.run_pending(steps)
    names = list(steps.names)
    starter.invocations = requests
    starter.run_pending(steps)
    assert steps.names == names and len(requests_seen) == 2
    assert me.client.get(started.headers["Location"]).json["output"] == "four"
    assert me.client.get(path).json["totalExecutions"] == 1


def test_pending_and_running_executions_can_be_cancelled(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_agent(me, "calculator")
    started = me.client.post(f"{path}/executions", {"input": "hello"}).headers["Location"]
    assert me.client.post(f"{started}/cancel").json["status"] == "cancelled"
    starter.run_pending()
    assert me.client.get(started).json["status"] == "cancelled" and me.client.get(started).json["steps"] == []
    assert me.client.post(f"{started}/cancel").json["code"] == "already_finished"

    second = me.client.post(f"{path}/executions", {"input": "hello"}).headers["Location"]

    def cancel_during_the_request(request: ModelRequest, key: str | None) -> ModelReply:
        assert me.client.post(f"{second}/cancel").status == 202
        return ModelReply(tool_calls=[ToolCall(id="1", name="calculator", arguments={"expression": "1"})])

    monkeypatch.setattr(model_requests, "send_request", cancel_during_the_request)
    starter.run_pending()
    done = me.client.get(second).json
    assert (done["status"], [step["type"] for step in done["steps"]]) == ("cancelled", ["model"])


def test_an_execution_cancelled_in_its_last_step_ends_as_cancelled(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_agent(me)
    created = me.client.post(f"{path}/executions", {"input": "hello"})
    started = created.headers["Location"]

    def cancel_during_the_request(request: ModelRequest, key: str | None) -> ModelReply:
        assert me.client.post(f"{started}/cancel").status == 202
        return ModelReply(text="hello", input_tokens=3, output_tokens=2)

    monkeypatch.setattr(model_requests, "send_request", cancel_during_the_request)
    starter.run_pending()
    done = me.client.get(started).json
    assert (done["status"], done["errorCode"], done["output"]) == ("cancelled", "cancelled", None)
    assert done["cancelRequestedAt"] and (done["inputTokens"], done["outputTokens"]) == (3, 2)
    assert me.client.get(f"{path}/stats").json["runs"]["cancelled"] == 1
    agent_id, execution_id = (UUID(created.json[name]) for name in ("agentId", "id"))
    context = ExecutionContext(UUID(me.organization["id"]), agent_id, execution_id)
    completion = Completion(status=ExecutionStatus.COMPLETED, output="hello")
    assert loop._finish(context, completion, Usage(), is_structured=False) == "cancelled", "a repeated step"


def test_a_cancellation_that_crashed_before_its_end_is_completed_by_the_function(
    me: RegisteredUser, starter: Starter
) -> None:
    path = create_agent(me)
    started = me.client.post(f"{path}/executions", {"input": "hello"})
    agent_id, execution_id = (UUID(started.json[name]) for name in ("agentId", "id"))
    key = AgentExecutionRow.at(UUID(me.organization["id"]), agent_id, execution_id)
    table.touch(AgentExecutionRow(*key), put={"cancel_requested_at": clock.iso(clock.now())})
    starter.run_pending()
    done = me.client.get(started.headers["Location"]).json
    assert (done["status"], done["steps"]) == ("cancelled", [])


def test_executions_are_listed_by_status_start_and_execution_time(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_agent(me)
    script_replies(monkeypatch, ModelReply(text="a"), ProviderError("refused", "no"), ModelReply(text="b"))
    execution_ids = [execute(me, starter, path, f"n{number}")["id"] for number in range(3)]
    ids = [item["id"] for item in me.client.get(f"{path}/executions").json["items"]]
    assert ids == execution_ids[::-1]
    failed = me.client.get(f"{path}/executions?status=failed").json["items"]
    assert [item["id"] for item in failed] == [execution_ids[1]]
    slowest = me.client.get(f"{path}/executions?sort=slowest").json["items"]
    times = [item["executionTime"] for item in slowest]
    assert len(times) == 3 and times == sorted(times, reverse=True)
    start = me.client.get(f"{path}/executions/{execution_ids[0]}").json["createdAt"]
    assert len(me.client.get(f"{path}/executions?from={start[:19]}Z").json["items"]) == 3
    assert me.client.get(f"{path}/executions?to={start[:19]}Z").json["items"] == []
    assert me.client.get(f"{path}/executions?from=yesterday").json["errors"][0]["pointer"] == "/query/from"


def test_an_execution_limit_refuses_another_start(me: RegisteredUser, starter: Starter) -> None:
    path = create_agent(me)
    limit = me.client.put(f"/v1/execution-limits/{me.user['id']}/hourly", {"maxExecutions": 2})
    assert limit.status == 200, limit.text
    assert [me.client.post(f"{path}/executions", {"input": "x"}).status for _ in range(3)] == [202, 202, 429]
    refused = me.client.post(f"{path}/executions", {"input": "x"})
    assert refused.json["code"] == "execution_limit_reached" and int(refused.headers["Retry-After"]) > 0
    limit_usage = me.client.get("/v1/execution-limits").json["items"][0]
    assert (
        limit_usage["currentExecutions"],
        limit_usage["remainingExecutions"],
        limit_usage["isExceeded"],
    ) == (2, 0, True)


def test_an_inactive_agent_cannot_be_executed(me: RegisteredUser, starter: Starter) -> None:
    path = create_agent(me, isActive=False)
    assert me.client.post(f"{path}/executions", {"input": "x"}).json["code"] == "agent_inactive"


def test_a_retry_after_a_crash_returns_the_same_execution(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_agent(me)
    start = f"{path}/executions", {"input": "x"}
    key = {"Idempotency-Key": "once"}
    with monkeypatch.context() as crash:
        crash.setattr(starting, "invoke", lambda row: (_ for _ in ()).throw(SystemExit()))
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


def test_the_sweeper_starts_stored_executions_that_never_began(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_agent(me)
    starter.is_unavailable = True
    started = me.client.post(f"{path}/executions", {"input": "hello"})
    assert started.status == 202
    starter.is_unavailable = False
    assert sweeper.sweep() == 0, "younger than 30 s"
    sweep_early(monkeypatch, "pending", "nested")
    assert sweeper.sweep() == 1
    starter.run_pending()
    assert me.client.get(started.headers["Location"]).json["status"] == "completed"
    assert sweeper.sweep() == 0


def test_an_execution_is_closed_when_its_durable_function_has_ended(
    me: RegisteredUser, starter: Starter
) -> None:
    from executions.on_execution_ended import handler

    path = create_agent(me)
    started = me.client.post(f"{path}/executions", {"input": "hello"})
    event = {"detail": {"durableExecutionName": started.json["id"], "status": "TIMED_OUT"}}
    assert handler(event, None) == {"closed": True}
    assert handler(event, None) == {"closed": False}
    assert me.client.get(started.headers["Location"]).json["status"] == "timeout"
    assert me.client.get(path).json["totalExecutions"] == 1


@pytest.mark.parametrize("name", ["f" * 64, "0199aa00-0000-7000-8000-000000000001", "nightly"])
def test_a_durable_execution_without_an_execution_closes_nothing(aws: None, name: str) -> None:
    assert sweeper.close(name, "FAILED", "gone") is False


def test_long_texts_are_stored_outside_of_the_row(
    me: RegisteredUser, starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = create_agent(me)
    script_replies(monkeypatch, ModelReply(text="é" * 90_000))
    done = execute(me, starter, path, "ü" * 50_000)
    assert done["input"] == "ü" * 50_000 and done["output"] == "é" * 90_000
