"""Concurrent executions of one agent, on the emulator."""

import json
from typing import Any
from uuid import UUID

import pytest

from infra import routes
from tests.agents.execution_helpers import Starter
from tests.factories import RegisteredUser, register
from tests.in_memory_steps import InMemorySteps
from tests.integration.racing import count_outcomes, owner_caller, run_concurrently
from tests.organizations.organization_helpers import set_plan
from weconnect.agents.engine.execution_context import ExecutionContext
from weconnect.agents.engine.loop import run_agent
from weconnect.agents.entities import NewAIAgentExecution
from weconnect.agents.executions import service, starts
from weconnect.agents.executions.kind import AgentDetails
from weconnect.agents.memory import service as memories
from weconnect.agents.memory.entities import NewAIAgentMemory
from weconnect.agents.memory.rows import MemoryRow
from weconnect.agents.rows import AgentExecutionRow, AgentRow
from weconnect.api import idempotency
from weconnect.api.responses import GatewayResponse
from weconnect.db import table
from weconnect.errors import Problem
from weconnect.executions import sweeper
from weconnect.executions.entities import ExecutionStatus
from weconnect.executions.followups import complete_execution
from weconnect.executions.results import Completion
from weconnect.identity.rows import ExecutionLimitRow
from weconnect.organizations.rows import UsageRow

START = NewAIAgentExecution(input="What is 2 + 2?")
ENDS = 100


@pytest.fixture
def me(aws: None, starter: Starter) -> RegisteredUser:
    return register()


@pytest.fixture
def agent(me: RegisteredUser) -> UUID:
    return UUID(me.client.post("/v1/agents", {"name": "Helper"}).json["id"])


def load_agent_row(me: RegisteredUser, agent: UUID) -> AgentRow:
    return AgentRow.get(*AgentRow.at(UUID(me.organization["id"]), agent), consistent_read=True)


def load_execution_rows(me: RegisteredUser, agent: UUID) -> list[AgentExecutionRow]:
    pk, prefix = AgentExecutionRow.of_agent(UUID(me.organization["id"]), agent)
    return list(AgentExecutionRow.query(pk, table.Row.sk.startswith(prefix), consistent_read=True))


def count_started(me: RegisteredUser) -> int:
    rows = UsageRow.query(
        f"ORG#{me.organization['id']}", table.Row.sk.startswith("USAGE#"), consistent_read=True
    )
    return sum(int(row.executions) for row in rows)


def test_a_limit_of_ten_admits_ten_of_forty_concurrent_starts(
    me: RegisteredUser, agent: UUID, starter: Starter
) -> None:
    caller = owner_caller(me)
    limit = me.client.put(f"/v1/execution-limits/{me.user['id']}/hourly", {"maxExecutions": 10})
    assert limit.status == 200
    outcomes = count_outcomes(
        run_concurrently(40, lambda _: starts.start_for_caller(caller, agent, START, 0))
    )
    assert outcomes == {"ok": 10, "execution_limit_reached": 30}
    assert len(load_execution_rows(me, agent)) == len(starter.invocations) == count_started(me) == 10
    row = ExecutionLimitRow.query(f"ORG#{me.organization['id']}", table.Row.sk.startswith("LIMIT#"))
    assert [int(one.current_executions) for one in row] == [10]


def test_one_idempotency_key_starts_one_execution(me: RegisteredUser, agent: UUID, starter: Starter) -> None:
    caller, operation = owner_caller(me), routes.load_operations()["POST /v1/agents/{agentId}/executions"]
    event = {
        "headers": {"idempotency-key": "once"},
        "rawPath": f"/v1/agents/{agent}/executions",
        "body": "{}",
    }

    def work() -> GatewayResponse:
        body = json.dumps({"id": str(starts.start_for_caller(caller, agent, START, 0).id)})
        return {"statusCode": 202, "headers": {}, "body": body, "isBase64Encoded": False, "cookies": []}

    def start(_: int) -> Any:
        return idempotency.execute_once(event, caller, operation, work)

    results = run_concurrently(50, start)
    outcomes = count_outcomes(results)
    assert outcomes["ok"] >= 1 and outcomes["ok"] + outcomes["idempotency_in_flight"] == 50
    bodies = {result["body"] for result in results if not isinstance(result, Problem)}
    stored = load_execution_rows(me, agent)
    assert len(stored) == len(starter.invocations) == count_started(me) == 1
    assert bodies == {json.dumps({"id": stored[0].id})}
    assert start(0)["headers"]["Idempotent-Replayed"] == "true"


def test_executions_that_finish_at_the_same_time_are_all_counted(me: RegisteredUser, agent: UUID) -> None:
    caller = owner_caller(me)
    set_plan(me, "enterprise")
    for _ in range(ENDS):
        starts.start_for_caller(caller, agent, START, 0)
    rows = load_execution_rows(me, agent)
    timeout = Completion(status=ExecutionStatus.TIMEOUT)
    details = AgentDetails({"input_tokens": 3, "output_tokens": 2, "cost_micros": 7})

    def finish(number: int) -> bool:
        status = ExecutionStatus.COMPLETED if number % 5 else ExecutionStatus.FAILED
        return complete_execution(rows[number], Completion(status=status, output="4"), details)

    assert run_concurrently(ENDS, finish) == [True] * ENDS
    rows_read_again = [AgentExecutionRow.get(row.pk, row.sk, consistent_read=True) for row in rows]
    assert (
        run_concurrently(ENDS, lambda number: complete_execution(rows_read_again[number], timeout))
        == [False] * ENDS
    )
    row = load_agent_row(me, agent)
    counters = (row.total_executions, row.completed, row.failed, row.timeout, row.cancelled)
    assert counters == (100, 80, 20, 0, 0)
    assert (row.input_tokens, row.output_tokens, row.cost_micros) == (300, 200, 700)
    statistics = me.client.get(f"/v1/agents/{agent}/stats").json
    assert statistics["runs"] == {"completed": 80, "failed": 20, "cancelled": 0, "timeout": 0}
    assert [model["runs"] for model in statistics["models"]] == [100]
    assert row.version == 1, "an execution does not change the ETag"
    for status, expected in (("completed", 80), ("failed", 20), ("pending", 0), ("timeout", 0)):
        pages = me.client.get(f"/v1/agents/{agent}/executions?status={status}&limit=100").json
        assert len(pages["items"]) == expected
    assert len(me.client.get(f"/v1/agents/{agent}/executions?sort=slowest&limit=100").json["items"]) == ENDS


def test_an_execution_finishes_once_under_concurrent_ends(me: RegisteredUser, agent: UUID) -> None:
    """The execution, the platform, a cancellation and the sweeper end it at the same time: one of them counts."""
    caller = owner_caller(me)
    for _ in range(4):
        execution = starts.start_for_caller(caller, agent, START, 0)
        row = load_execution_rows(me, agent)[-1]
        assert row.id == str(execution.id)

        def finish(number: int, row: AgentExecutionRow = row, execution: Any = execution) -> Any:
            if number % 4 == 0:
                return sweeper.close(row.id, "FAILED", "x")
            if number % 4 == 1:
                return service.cancel(caller, agent, execution.id)
            own_row = AgentExecutionRow.get(row.pk, row.sk, consistent_read=True)
            status = ExecutionStatus.COMPLETED if number % 4 == 2 else ExecutionStatus.TIMEOUT
            return complete_execution(own_row, Completion(status=status, output="4"))

        run_concurrently(12, finish)
    agent_row = load_agent_row(me, agent)
    statuses = [execution.status for execution in load_execution_rows(me, agent)]
    assert set(statuses) <= {"completed", "failed", "timeout", "cancelled"}
    assert agent_row.total_executions == 4
    for status in ("completed", "failed", "timeout", "cancelled"):
        assert getattr(agent_row, status) == statuses.count(status)


def test_a_cancellation_races_with_the_execution(me: RegisteredUser, agent: UUID) -> None:
    caller = owner_caller(me)
    started = [starts.start_for_caller(caller, agent, START, 0).id for _ in range(8)]

    def work(number: int) -> Any:
        execution = started[number // 2]
        if number % 2:
            return service.cancel(caller, agent, execution)
        return run_agent(InMemorySteps(), ExecutionContext(caller.organization_id, agent, execution))

    results = run_concurrently(16, work)
    statuses = {UUID(row.id): row.status for row in load_execution_rows(me, agent)}
    for number, execution in enumerate(started):
        cancelled = not isinstance(results[2 * number + 1], Problem)
        assert statuses[execution] in ("completed", "cancelled")
        assert cancelled or statuses[execution] == "completed"
    agent_row = load_agent_row(me, agent)
    assert agent_row.total_executions == 8 == agent_row.completed + agent_row.cancelled
    assert agent_row.cancelled == list(statuses.values()).count("cancelled")


def test_concurrent_writes_of_a_fact_leave_one_present_value(me: RegisteredUser, agent: UUID) -> None:
    caller = owner_caller(me)
    facts = [NewAIAgentMemory(key="colour", content=f"colour {number}") for number in range(20)]
    outcomes = count_outcomes(
        run_concurrently(20, lambda number: memories.create(caller, agent, facts[number]))
    )
    assert outcomes["ok"] + outcomes["version_conflict"] == 20 and outcomes["ok"] >= 1
    pk, prefix = MemoryRow.of_type(caller.organization_id, agent, "semantic")
    rows = list(MemoryRow.query(pk, table.Row.sk.startswith(prefix), consistent_read=True))
    assert len(rows) == outcomes["ok"]
    assert len([row for row in rows if row.valid_to is None]) == 1
    superseded = [row.superseded_by for row in rows if row.superseded_by]
    assert len(set(superseded)) == len(superseded) == len(rows) - 1, "each value but the first supersedes one"
