"""Semaphores and queues with many concurrent starts, on the emulator: no limit is exceeded, no start is lost."""

from uuid import UUID

import pytest

from tests.agents.execution_helpers import Starter
from tests.executions.execution_helpers import create_workflow
from tests.factories import RegisteredUser, register
from tests.integration.racing import count_outcomes, owner_caller, run_concurrently
from tests.organizations.organization_helpers import set_plan
from tests.workflows.definitions import definition, node
from weconnect.executions.entities import OPEN_STATUSES
from weconnect.workflows.executions import starts
from weconnect.workflows.executions.entities import NewWorkflowExecution
from weconnect.workflows.executions.rows import WorkflowExecutionRow

MANY = 25


@pytest.fixture
def me(aws: None, starter: Starter) -> RegisteredUser:
    return register()


def flow(me: RegisteredUser, **settings: object) -> UUID:
    path = create_workflow(me, definition([node("a", "noop")], "start > a", **settings))
    return UUID(path.rpartition("/")[2])


def count_admitted(me: RegisteredUser, workflow: UUID) -> int:
    pk = WorkflowExecutionRow.of_workflow(UUID(me.organization["id"]), workflow)
    return sum(
        row.status in OPEN_STATUSES and not row.queued_at for row in WorkflowExecutionRow.gsi3.query(pk)
    )


def start_many(me: RegisteredUser, workflow: UUID) -> list[object]:
    caller, new = owner_caller(me), NewWorkflowExecution(input={"key": "k"})
    return run_concurrently(MANY, lambda _: starts.start_for_caller(caller, workflow, new, 0))


@pytest.mark.parametrize("bound", ["workflow", "organization"])
def test_three_of_many_at_once_are_admitted_at_once(me: RegisteredUser, starter: Starter, bound: str) -> None:
    concurrency = {"limit": 3, "key": "{{ $trigger.key }}"} if bound == "workflow" else None
    set_plan(me, "enterprise", max_concurrent_executions=3 if bound == "organization" else 100)
    workflow = flow(me, concurrency=concurrency)
    assert count_outcomes(start_many(me, workflow)) == {"ok": MANY}
    assert (
        count_admitted(me, workflow) == 3
        and len({each["DurableExecutionName"] for each in starter.invocations}) == 3
    )
    rounds = 0
    while starter.invocations:
        run_concurrently(len(starter.invocations), lambda _: starter.run_next())
        assert count_admitted(me, workflow) <= 3
        rounds += 1
    assert count_admitted(me, workflow) == 0
    items = me.client.get(f"/v1/executions?workflowId={workflow}&limit=100").json["items"]
    assert [each["status"] for each in items] == ["completed"] * MANY
    assert rounds >= MANY // 3


def test_of_many_starts_two_are_not_skipped(me: RegisteredUser, starter: Starter) -> None:
    workflow = flow(me, concurrency={"limit": 2, "policy": "skip"})
    assert count_outcomes(start_many(me, workflow)) == {"ok": 2, "concurrency_limit": MANY - 2}
    assert count_admitted(me, workflow) == 2


def test_of_many_starts_the_newest_is_executed(me: RegisteredUser, starter: Starter) -> None:
    workflow = flow(me, concurrency={"limit": 1, "policy": "cancel_running"})
    assert count_outcomes(start_many(me, workflow)) == {"ok": MANY}
    assert count_admitted(me, workflow) <= 1
    while starter.invocations:
        starter.run_next()
        assert count_admitted(me, workflow) <= 1
    items = me.client.get(f"/v1/executions?workflowId={workflow}&limit=100").json["items"]
    assert [each["status"] for each in items] == ["completed", *["cancelled"] * (MANY - 1)]
