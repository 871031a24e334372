"""Executions that nobody works on any options, and nested ones whose caller has gone."""

from typing import Any
from uuid import UUID

import pytest

from tests.agents.execution_helpers import Starter, execute, script_replies, sweep_early
from tests.agents.tool_call_helpers import (
    DONE,
    agent_call,
    calculator_calls,
    move_clock,
    only_execution,
    start_and_suspend,
)
from tests.factories import RegisteredUser
from tests.in_memory_steps import InMemorySteps
from weconnect.agents.engine import model_requests, sub_agents
from weconnect.agents.engine.delegated_calls import PendingCall, StartedCall
from weconnect.agents.engine.execution_context import Ended
from weconnect.agents.rows import AgentExecutionRow
from weconnect.api.caller import Caller
from weconnect.approvals import service as approvals
from weconnect.approvals.entities import Decision
from weconnect.executions import sweeper
from weconnect.models.messages import ModelReply


def caller_of(me: RegisteredUser) -> Caller:
    return Caller(
        user_id=UUID(me.user["id"]),
        organization_id=UUID(me.organization["id"]),
        role="owner",
        permissions=frozenset({"agents:execute"}),
    )


def test_only_the_calling_function_runs_a_nested_execution(
    me: RegisteredUser, starter: Starter, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A nested execution has its caller's time in its id, so that it looks as old as that one from the start."""
    path, _ = pair
    sweep_early(monkeypatch, "pending", "nested")
    start = sub_agents._start

    def sweep_meanwhile(call: PendingCall) -> StartedCall | Ended:
        result = start(call)
        sweeper.sweep()
        return result

    monkeypatch.setattr(sub_agents, "_start", sweep_meanwhile)
    script_replies(monkeypatch, agent_call("6*7?"), ModelReply(text="42"), DONE)
    assert me.client.post(f"{path}/executions", {"input": "go"}).status == 202
    starter._execute(starter.invocations.pop(), InMemorySteps())
    assert starter.invocations == [], "no function was started for the nested execution"


def test_an_execution_with_a_suspended_nested_one_is_not_lost(
    me: RegisteredUser, starter: Starter, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, expert = pair
    script_replies(monkeypatch, agent_call("6*7?"), calculator_calls("6*7"), ModelReply(text="42"), DONE)
    execution = execute(me, starter, path, "go")
    assert (execution["status"], only_execution(me, expert)["status"]) == ("running", "waiting")
    (approval,) = me.client.get("/v1/approvals").json["items"]
    sweep_early(monkeypatch, "pending", "nested")
    with monkeypatch.context() as days:
        move_clock(days, days=3)
        assert sweeper.sweep() == 0
        scripted = vars(model_requests)["send_request"]  # the scripted replies
        swept: list[int] = []

        def sweep_meanwhile(*args: Any) -> ModelReply:
            swept.append(sweeper.sweep())
            reply: ModelReply = scripted(*args)
            return reply

        monkeypatch.setattr(model_requests, "send_request", sweep_meanwhile)
        approvals.decide(caller_of(me), UUID(approval["id"]), Decision(decision="approve"))
        assert len(swept) == 2, "in the nested execution, and when its caller resumes"
    done = me.client.get(f"{path}/executions/{execution['id']}").json
    assert (done["status"], done["output"]) == ("completed", "done"), done["error"]
    assert done["executionTime"] < 3_600_000, "the three days do not count as execution time"


def test_cancelling_an_execution_resumes_and_ends_the_suspended_nested_one(
    me: RegisteredUser, starter: Starter, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, expert = pair
    requests = script_replies(monkeypatch, agent_call("6*7?"), calculator_calls("6*7"), DONE, DONE)
    execution = execute(me, starter, path, "go")
    execution_path = f"{path}/executions/{execution['id']}"
    assert me.client.post(f"{execution_path}/cancel").status == 202
    assert me.client.get(execution_path).json["status"] == "cancelled"
    assert only_execution(me, expert)["status"] == "cancelled" and len(requests) == 2
    assert me.client.get("/v1/approvals").json["items"] == []


def test_closing_an_execution_closes_the_nested_ones(
    me: RegisteredUser, starter: Starter, pair: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, expert = pair
    script_replies(monkeypatch, agent_call("6*7?"), calculator_calls("6*7"), DONE, DONE)
    execution = execute(me, starter, path, "go")
    starter.suspended.clear()  # its function is gone
    assert sweeper.close(execution["id"], "STOPPED", "stopped")
    assert only_execution(me, path)["status"] == "failed"
    assert only_execution(me, expert)["status"] == "failed"
    assert me.client.get("/v1/approvals").json["items"] == []


def test_closing_reads_the_row_and_not_a_lagging_index(
    me: RegisteredUser, starter: Starter, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script_replies(monkeypatch, calculator_calls("6*7"), DONE)
    execution, approval = start_and_suspend(me, starter, guarded)
    query = type(AgentExecutionRow.gsi3).query

    def query_stale_rows(index: Any, *args: Any, **options: Any) -> Any:
        for row in query(index, *args, **options):
            row.set(version=row.version - 1, waiting_for=None)
            yield row

    monkeypatch.setattr(type(AgentExecutionRow.gsi3), "query", query_stale_rows)
    assert sweeper.close(execution["id"], "STOPPED", "stopped")
    assert me.client.get(f"/v1/approvals/{approval['id']}").json["status"] == "cancelled"
