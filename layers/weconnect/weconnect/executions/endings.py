"""Marks of executions that have ended, or are to end, while what they have started may still be open.

A mark is stored before the end is, and removed when all that follows it is done. Whoever ends an execution has limited
time for that, and may be killed; the sweeper continues with what is marked.
"""

from collections.abc import Iterator
from uuid import UUID

from weconnect.db import table
from weconnect.executions import children
from weconnect.executions.lifecycle import ACTOR
from weconnect.executions.rows import AnyRow, EndingRow


def mark(row: AnyRow) -> None:
    """Mark an execution. Idempotent."""
    pk, sk = EndingRow.of_execution(UUID(row.organization_id), UUID(row.id))
    organization_id, execution_key = row.organization_id, [row.pk, row.sk]
    table.put(EndingRow(pk=pk, sk=sk, organization_id=organization_id, execution_key=execution_key), ACTOR)


def mark_all(organization_id: UUID, requested_until: str) -> EndingRow:
    """Mark all executions of an organization that were requested until a time (ISO 8601), and return the mark."""
    pk, sk = EndingRow.of_organization(organization_id)
    row = EndingRow(pk=pk, sk=sk, organization_id=str(organization_id), requested_until=requested_until)
    table.put(row, ACTOR)
    return row


def mark_parent(row: AnyRow) -> bool:
    """Mark an execution that has started others; return whether it has."""
    is_parent = children.has_children(row)
    if is_parent:
        mark(row)
    return is_parent


def unmark(row: AnyRow) -> None:
    """Remove the mark of an execution. Idempotent."""
    EndingRow(*EndingRow.of_execution(UUID(row.organization_id), UUID(row.id))).delete()


def list_marks(position: str) -> Iterator[EndingRow]:
    """Yield the marks of all organizations; they begin after a position, a sort key, and end with those up to it."""
    pk, order = EndingRow.of_all(), EndingRow.sk
    for condition in (order > position, order <= position) if position else (None,):
        yield from EndingRow.query(pk, condition, consistent_read=True)
