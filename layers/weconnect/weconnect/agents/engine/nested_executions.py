"""The agents' executions that are part of another execution, of an agent or of a workflow.

Nothing of workflows is imported here: their engine uses this module to cancel what an execution has started.
"""

from uuid import UUID

from weconnect import clock
from weconnect.agents.engine import completion
from weconnect.agents.engine.completion import AgentOutcome
from weconnect.agents.entities import OPEN_STATUSES, AgentExecutionStatus
from weconnect.agents.rows import AgentExecutionRow, NestedExecutionRow
from weconnect.db import table
from weconnect.errors import AlreadyFinished
from weconnect.executions.errors import ExecutionNotFound


def list_open(organization_id: UUID, parent_id: UUID) -> list[AgentExecutionRow]:
    """Return the rows of the agents' executions that are part of `parent_id` and have not finished."""
    pk, prefix = NestedExecutionRow.of_parent(organization_id, parent_id)
    names = NestedExecutionRow.query(pk, NestedExecutionRow.sk.startswith(prefix), consistent_read=True)
    keys = [AgentExecutionRow.at(organization_id, UUID(name.agent_id), UUID(name.id)) for name in names]
    rows = [table.get(AgentExecutionRow, key) for key in keys]
    return [row for row in rows if row and row.status in OPEN_STATUSES]


def request_cancellation(row: AgentExecutionRow) -> None:
    """Cancel one execution, without those it has started: at once unless it is running, else before its next step.

    Raises AlreadyFinished, and ExecutionNotFound when its row is gone.
    """
    while not _cancel(row):
        row = table.require(AgentExecutionRow, (row.pk, row.sk), ExecutionNotFound)
        if row.status not in OPEN_STATUSES:
            raise AlreadyFinished(f"The execution is already {row.status}.")


def _cancel(row: AgentExecutionRow) -> bool:
    """Cancel an execution in the status that was read; return False when the status has changed since."""
    is_unchanged = AgentExecutionRow.status == row.status
    if row.status in (AgentExecutionStatus.PENDING, AgentExecutionStatus.WAITING):
        outcome = AgentOutcome(status=AgentExecutionStatus.CANCELLED)
        return completion.finish(row, outcome, condition=is_unchanged)
    values = {"cancel_requested_at": clock.iso(clock.now())}
    return row.status == AgentExecutionStatus.RUNNING and table.touch(row, put=values, condition=is_unchanged)
