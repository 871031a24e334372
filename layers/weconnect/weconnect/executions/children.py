"""References from executions to those that they started and wait for, or that are parts of them."""

from collections.abc import Iterator
from itertools import islice
from uuid import UUID

from weconnect.db import table
from weconnect.db.table import Row
from weconnect.executions.entities import OPEN_STATUSES
from weconnect.executions.lifecycle import ACTOR
from weconnect.executions.rows import AnyRow, ChildRow, ExecutionRow

ROWS_OF_READ = 100


def add_reference(parent: AnyRow, child: AnyRow) -> None:
    """Store the parent's reference to an execution that is about to be stored. Idempotent."""
    pk, sk = ChildRow.at(UUID(parent.organization_id), UUID(parent.id), UUID(child.id))
    table.put(ChildRow(pk=pk, sk=sk, execution_key=[child.pk, child.sk]), ACTOR)


def find(parent: AnyRow, execution_id: UUID) -> AnyRow | None:
    """Return the execution with this ID that a parent has started, or None."""
    at = ChildRow.at(UUID(parent.organization_id), UUID(parent.id), execution_id)
    reference = table.get(ChildRow, at)
    return load_row(reference.execution_key) if reference else None


def has_children(row: AnyRow) -> bool:
    """Return whether an execution has started another one."""
    pk, prefix = ChildRow.of_parent(UUID(row.organization_id), UUID(row.id))
    return any(ChildRow.query(pk, ChildRow.sk.startswith(prefix), consistent_read=True, limit=1))


def list_open_children(row: AnyRow) -> list[AnyRow]:
    """Return the open executions that an execution waits for, or that are parts of it.

    It has at most as many children as a durable execution has operations.
    """
    pk, prefix = ChildRow.of_parent(UUID(row.organization_id), UUID(row.id))
    references = ChildRow.query(pk, ChildRow.sk.startswith(prefix), consistent_read=True)
    keys = ((reference.execution_key[0], reference.execution_key[1]) for reference in references)
    rows: list[Row] = []
    while batch := list(islice(keys, ROWS_OF_READ)):
        rows += table.get_many(batch).values()
    return [child for child in rows if isinstance(child, ExecutionRow) and child.status in OPEN_STATUSES]


def list_ancestors(row: AnyRow) -> Iterator[AnyRow]:
    """Yield an execution and those that wait for it, from itself upwards."""
    above: AnyRow | None = row
    while above is not None:
        yield above
        above = load_row(above.parent_key) if above.parent_key else None


def load_row(key: list[str]) -> AnyRow | None:
    """Return the execution with this key, of any kind, or None."""
    return table.get(ExecutionRow, (key[0], key[1]))
