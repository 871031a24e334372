"""Runs of workflows that another run waits for, of a workflow or of an agent: let go, looked for, stopped."""

from contextlib import suppress
from uuid import UUID

from weconnect import table
from weconnect.errors import Conflict, NotFound
from weconnect.executions import lifecycle, service, starting
from weconnect.executions.entities import OPEN
from weconnect.executions.rows import ChildRow, ExecutionRow


def announce(organization_id: UUID, execution_id: UUID, callback_id: str) -> None:
    """Start a stored run whose end is to complete a callback. One that has ended meanwhile completes it at once."""
    at = ExecutionRow.at(organization_id, execution_id)
    table.touch(ExecutionRow(*at), put={"parent_callback": callback_id})
    row = table.need(ExecutionRow, at, "execution")
    if row.status in OPEN:
        starting.invoke(row)
    else:
        lifecycle.wake(callback_id, {"executionId": row.id})


def open_of(organization_id: UUID, parent_id: UUID) -> list[ExecutionRow]:
    """The runs of workflows that a run waits for and that have not ended."""
    pk, prefix = ChildRow.of_parent(organization_id, parent_id)
    names = ChildRow.query(pk, ChildRow.sk.startswith(prefix), consistent_read=True)
    found = [table.get(ExecutionRow, ExecutionRow.at(organization_id, UUID(name.id))) for name in names]
    return [row for row in found if row and row.status in OPEN]


def stop(organization_id: UUID, parent_id: UUID) -> None:
    """Let all that a run waits for stop: runs of workflows, and of the agents in its nodes."""
    for row in open_of(organization_id, parent_id):
        with suppress(Conflict, NotFound):
            service.stop(row)
    from weconnect.agents import stopping  # which needs us

    stopping.stop_nested(organization_id, parent_id)
