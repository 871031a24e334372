"""Letting runs of agents stop, and what they have started with them."""

from contextlib import suppress
from uuid import UUID

from weconnect import clock
from weconnect.agents.engine import executions
from weconnect.agents.entities import OPEN, AIAgentExecution, ExecutionStatus
from weconnect.agents.rows import ExecutionRow, NestedRow
from weconnect.api.caller import Caller
from weconnect.db import table
from weconnect.errors import Conflict, NotFound
from weconnect.workflows.engine import child_executions


def cancel(caller: Caller, agent_id: UUID, execution_id: UUID) -> AIAgentExecution:
    """Ask a run to stop: at once when it has not begun or waits, else before its next step.

    So do the runs that it asked. Raises Conflict `already_finished`.
    """
    stop(executions.need(caller, agent_id, execution_id))
    return executions.entity(executions.need(caller, agent_id, execution_id))


def stop(row: ExecutionRow) -> None:
    """The same without a caller, for what a run that is to stop has started."""
    while not _stop(row):
        row = table.need(ExecutionRow, (row.pk, row.sk), "execution")
        if row.status not in OPEN:
            raise Conflict(f"The run is {row.status}", code="already_finished")
    child_executions.stop(UUID(row.organization_id), UUID(row.id))


def stop_nested(organization_id: UUID, parent_id: UUID) -> None:
    """Let the runs of agents stop that are part of a run, of an agent or of a workflow."""
    for nested in open_nested(organization_id, parent_id):
        with suppress(Conflict, NotFound):
            stop(nested)


def open_nested(organization_id: UUID, parent_id: UUID) -> list[ExecutionRow]:
    """The runs of agents that are part of a run and have not ended."""
    pk, prefix = NestedRow.of_run(organization_id, parent_id)
    names = NestedRow.query(pk, NestedRow.sk.startswith(prefix), consistent_read=True)
    keys = [ExecutionRow.at(organization_id, UUID(name.agent_id), UUID(name.id)) for name in names]
    found = [table.get(ExecutionRow, at) for at in keys]
    return [nested for nested in found if nested and nested.status in OPEN]


def _stop(row: ExecutionRow) -> bool:
    """Let an open run stop as it stood when it was read; False when it has moved."""
    still = ExecutionRow.status == row.status
    if row.status in (ExecutionStatus.PENDING, ExecutionStatus.WAITING):
        return executions.finish(row, ExecutionStatus.CANCELLED, condition=still)
    asked = {"cancel_requested_at": clock.iso(clock.now())}
    return row.status == ExecutionStatus.RUNNING and table.touch(row, put=asked, condition=still)
