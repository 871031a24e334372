"""Gates and queues with many starts at once, on the emulator: never too many are let in, and none is lost."""

from uuid import UUID

import pytest

from tests.agents.runs import Starter
from tests.executions.runs import made
from tests.factories import Registered, registered
from tests.integration.racing import caller_of, outcomes, together
from tests.organizations.people import on_plan
from tests.workflows.definitions import definition, node
from weconnect.executions import starting
from weconnect.executions.entities import OPEN, NewWorkflowExecution
from weconnect.executions.rows import ExecutionRow

MANY = 25


@pytest.fixture
def me(aws: None, starter: Starter) -> Registered:
    return registered()


def flow(me: Registered, **settings: object) -> UUID:
    path = made(me, definition([node("a", "noop")], "start > a", **settings))
    return UUID(path.rpartition("/")[2])


def let_in(me: Registered, workflow: UUID) -> int:
    pk = ExecutionRow.of_workflow(UUID(me.organization["id"]), workflow)
    return sum(row.status in OPEN and not row.queued_at for row in ExecutionRow.gsi3.query(pk))


def started_at_once(me: Registered, workflow: UUID) -> list[object]:
    caller, new = caller_of(me), NewWorkflowExecution(input={"key": "k"})
    return together(MANY, lambda _: starting.start(caller, workflow, new, 0))


@pytest.mark.parametrize("bound", ["workflow", "organization"])
def test_three_of_many_at_once_are_let_in(me: Registered, starter: Starter, bound: str) -> None:
    concurrency = {"limit": 3, "key": "{{ $trigger.key }}"} if bound == "workflow" else None
    on_plan(me, "enterprise", max_concurrent_executions=3 if bound == "organization" else 100)
    workflow = flow(me, concurrency=concurrency)
    assert outcomes(started_at_once(me, workflow)) == {"ok": MANY}
    assert let_in(me, workflow) == 3 and len({each["DurableExecutionName"] for each in starter.asked}) == 3
    ran = 0
    while starter.asked:
        together(len(starter.asked), lambda _: starter.run_next())
        assert let_in(me, workflow) <= 3
        ran += 1
    assert let_in(me, workflow) == 0
    found = me.client.get(f"/v1/executions?workflowId={workflow}&limit=100").json["items"]
    assert [each["status"] for each in found] == ["completed"] * MANY
    assert ran >= MANY // 3


def test_two_of_many_at_once_are_not_skipped(me: Registered, starter: Starter) -> None:
    workflow = flow(me, concurrency={"limit": 2, "policy": "skip"})
    assert outcomes(started_at_once(me, workflow)) == {"ok": 2, "concurrency_limit": MANY - 2}
    assert let_in(me, workflow) == 2


def test_the_newest_of_many_runs(me: Registered, starter: Starter) -> None:
    workflow = flow(me, concurrency={"limit": 1, "policy": "cancel_running"})
    assert outcomes(started_at_once(me, workflow)) == {"ok": MANY}
    assert let_in(me, workflow) <= 1
    while starter.asked:
        starter.run_next()
        assert let_in(me, workflow) <= 1
    found = me.client.get(f"/v1/executions?workflowId={workflow}&limit=100").json["items"]
    assert [each["status"] for each in found] == ["completed", *["cancelled"] * (MANY - 1)]
