"""Runs of one agent, many at once, on the emulator."""

import json
from typing import Any
from uuid import UUID

import pytest

from infra import routes
from tests.agents.runs import Recorded, Starter
from tests.factories import Registered, registered
from tests.integration.racing import caller_of, outcomes, together
from weconnect.agents.engine import cancellation, executions, sweeper
from weconnect.agents.engine.loop import run_agent
from weconnect.agents.engine.run_context import Run
from weconnect.agents.entities import ExecutionStatus, NewExecution
from weconnect.agents.memory import service as memories
from weconnect.agents.memory.entities import NewAIAgentMemory
from weconnect.agents.memory.rows import MemoryRow
from weconnect.agents.rows import AgentRow, ExecutionRow
from weconnect.api import idempotency
from weconnect.auth.rows import ExecutionLimitRow
from weconnect.db import table
from weconnect.errors import Problem
from weconnect.organizations.rows import UsageRow

START = NewExecution(input="What is 2 + 2?")


@pytest.fixture
def me(aws: None, starter: Starter) -> Registered:
    return registered()


@pytest.fixture
def agent(me: Registered) -> UUID:
    return UUID(me.client.post("/v1/agents", {"name": "Helper"}).json["id"])


def head(me: Registered, agent: UUID) -> AgentRow:
    return AgentRow.get(*AgentRow.at(UUID(me.organization["id"]), agent), consistent_read=True)


def runs(me: Registered, agent: UUID) -> list[ExecutionRow]:
    pk = ExecutionRow.of_agent(UUID(me.organization["id"]), agent)
    return list(ExecutionRow.query(pk, table.Row.sk.startswith("EXECUTION#"), consistent_read=True))


def used(me: Registered) -> int:
    rows = UsageRow.query(
        f"ORG#{me.organization['id']}", table.Row.sk.startswith("USAGE#"), consistent_read=True
    )
    return sum(int(row.executions) for row in rows)


def test_a_limit_of_ten_lets_ten_of_forty_start(me: Registered, agent: UUID, starter: Starter) -> None:
    caller = caller_of(me)
    limit = me.client.put(f"/v1/execution-limits/{me.user['id']}/hourly", {"maxExecutions": 10})
    assert limit.status == 200
    found = outcomes(together(40, lambda _: executions.start(caller, agent, START)))
    assert found == {"ok": 10, "execution_limit_reached": 30}
    assert len(runs(me, agent)) == len(starter.asked) == used(me) == 10
    row = ExecutionLimitRow.query(f"ORG#{me.organization['id']}", table.Row.sk.startswith("LIMIT#"))
    assert [int(one.current_executions) for one in row] == [10]


def test_one_key_starts_one_run(me: Registered, agent: UUID, starter: Starter) -> None:
    caller, operation = caller_of(me), routes.load()["POST /v1/agents/{agentId}/executions"]
    event = {
        "headers": {"idempotency-key": "once"},
        "rawPath": f"/v1/agents/{agent}/executions",
        "body": "{}",
    }

    def work() -> dict[str, Any]:
        return {"statusCode": 202, "body": json.dumps({"id": str(executions.start(caller, agent, START).id)})}

    def start(_: int) -> Any:
        return idempotency.replayed(event, caller, operation, work)

    answers = together(50, start)
    found = outcomes(answers)
    assert found["ok"] >= 1 and found["ok"] + found["idempotency_in_flight"] == 50
    bodies = {answer["body"] for answer in answers if not isinstance(answer, Problem)}
    stored = runs(me, agent)
    assert len(stored) == len(starter.asked) == used(me) == 1
    assert bodies == {json.dumps({"id": stored[0].id})}
    assert start(0)["headers"]["Idempotent-Replayed"] == "true"


def test_runs_that_end_at_once_are_all_counted(me: Registered, agent: UUID) -> None:
    caller = caller_of(me)
    for _ in range(25):
        executions.start(caller, agent, START)
    rows = runs(me, agent)
    totals = {"input_tokens": 3, "output_tokens": 2, "cost_micros": 7}

    def end(number: int) -> bool:
        status = ExecutionStatus.COMPLETED if number % 5 else ExecutionStatus.FAILED
        return executions.finish(rows[number], status, output="4", totals=totals)

    assert together(25, end) == [True] * 25
    again = [ExecutionRow.get(row.pk, row.sk, consistent_read=True) for row in rows]
    assert (
        together(25, lambda number: executions.finish(again[number], ExecutionStatus.TIMEOUT)) == [False] * 25
    )
    row = head(me, agent)
    counted = (row.total_executions, row.completed, row.failed, row.timeout, row.cancelled)
    assert counted == (25, 20, 5, 0, 0)
    assert (row.input_tokens, row.output_tokens, row.cost_micros) == (75, 50, 175)
    assert row.version == 1, "a run breaks nobody's If-Match"
    for status, expected in (("completed", 20), ("failed", 5), ("pending", 0), ("timeout", 0)):
        pages = me.client.get(f"/v1/agents/{agent}/executions?status={status}&limit=100").json
        assert len(pages["items"]) == expected
    assert len(me.client.get(f"/v1/agents/{agent}/executions?sort=slowest&limit=100").json["items"]) == 25


def test_one_run_ends_once(me: Registered, agent: UUID) -> None:
    """Its own end, the platform's, a cancel and the sweeper's, all at once: one of them counts."""
    caller = caller_of(me)
    for _ in range(4):
        run = executions.start(caller, agent, START)
        row = runs(me, agent)[-1]
        assert row.id == str(run.id)

        def end(number: int, row: ExecutionRow = row, run: Any = run) -> Any:
            if number % 4 == 0:
                return sweeper.close(row.id, "FAILED", "x")
            if number % 4 == 1:
                return cancellation.cancel(caller, agent, run.id)
            mine = ExecutionRow.get(row.pk, row.sk, consistent_read=True)
            status = ExecutionStatus.COMPLETED if number % 4 == 2 else ExecutionStatus.TIMEOUT
            return executions.finish(mine, status, output="4")

        together(12, end)
    row = head(me, agent)
    ended = [run.status for run in runs(me, agent)]
    assert set(ended) <= {"completed", "failed", "timeout", "cancelled"}
    assert row.total_executions == 4
    for status in ("completed", "failed", "timeout", "cancelled"):
        assert getattr(row, status) == ended.count(status)


def test_cancel_races_with_the_run(me: Registered, agent: UUID) -> None:
    caller = caller_of(me)
    started = [executions.start(caller, agent, START).id for _ in range(8)]

    def work(number: int) -> Any:
        run = started[number // 2]
        if number % 2:
            return cancellation.cancel(caller, agent, run)
        return run_agent(Recorded(), Run(caller.organization_id, agent, run))

    answers = together(16, work)
    ended = {UUID(row.id): row.status for row in runs(me, agent)}
    for number, run in enumerate(started):
        cancelled = not isinstance(answers[2 * number + 1], Problem)
        assert ended[run] in ("completed", "cancelled")
        assert cancelled or ended[run] == "completed"
    row = head(me, agent)
    assert row.total_executions == 8 == row.completed + row.cancelled
    assert row.cancelled == list(ended.values()).count("cancelled")


def test_a_fact_has_one_present_value(me: Registered, agent: UUID) -> None:
    caller = caller_of(me)
    facts = [NewAIAgentMemory(key="colour", content=f"colour {number}") for number in range(20)]
    found = outcomes(together(20, lambda number: memories.create(caller, agent, facts[number])))
    assert found["ok"] + found["version_conflict"] == 20 and found["ok"] >= 1
    pk, prefix = MemoryRow.of_type(caller.organization_id, agent, "semantic")
    rows = list(MemoryRow.query(pk, table.Row.sk.startswith(prefix), consistent_read=True))
    assert len(rows) == found["ok"]
    assert len([row for row in rows if row.valid_to is None]) == 1
    superseded = [row.superseded_by for row in rows if row.superseded_by]
    assert len(set(superseded)) == len(superseded) == len(rows) - 1, "each value but the first supersedes one"
