"""The executions of workflows that another execution, of a workflow or an agent, started and waits for."""

from collections.abc import Iterator
from uuid import UUID

from weconnect.db import table
from weconnect.executions.entities import OPEN_STATUSES
from weconnect.executions.rows import ChildRow, ExecutionRow


def list_open_children(organization_id: UUID, parent_id: UUID) -> list[ExecutionRow]:
    """Return the open executions of workflows that an execution waits for."""
    pk, prefix = ChildRow.of_parent(organization_id, parent_id)
    references = ChildRow.query(pk, ChildRow.sk.startswith(prefix), consistent_read=True)
    keys = [ExecutionRow.at(organization_id, UUID(reference.id)) for reference in references]
    rows = [table.get(ExecutionRow, key) for key in keys]
    return [row for row in rows if row and row.status in OPEN_STATUSES]


def iterate_open_slices(organization_id: UUID, execution_id: UUID) -> Iterator[ExecutionRow]:
    """Yield the open executions that process batches of an execution's loops, and of loops within those."""
    for row in list_open_children(organization_id, execution_id):
        if row.part:
            yield row
            yield from iterate_open_slices(organization_id, UUID(row.id))
