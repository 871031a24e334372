"""Deletion of what belongs to an execution: with the execution, or when its row has expired."""

from uuid import UUID

from weconnect.approvals.rows import ApprovalRow, RequestedApprovalRow
from weconnect.db import payloads, table
from weconnect.db.table import Row
from weconnect.executions import retention
from weconnect.executions.children import load_row
from weconnect.executions.entities import OPEN_STATUSES
from weconnect.executions.rows import ChildRow, ExecutionRow, partition_of

_FIELDS_READ = ["pk", "sk", "kind", "approvalId", "executionKey"]


def purge(at: tuple[str, str]) -> bool:
    """Delete what belongs to the execution whose row was at this key; return True. Idempotent.

    Does nothing when it exists: it was started again.
    """
    if table.get(ExecutionRow, at) is None:
        pk, sk = at
        execution_id = UUID((sk if "#" in sk else pk).rpartition("#")[2])
        delete_belongings(UUID(pk.split("#")[1]), execution_id)
    return True


def delete_belongings(organization_id: UUID, execution_id: UUID) -> None:
    """Delete the payloads, approval requests and rows of an execution, but not its own row. Idempotent.

    Its children are kept as long as they would be without it.
    """
    payloads.discard_all(organization_id, f"runs/{execution_id}/")
    parts = Row.query(
        partition_of(organization_id, execution_id), consistent_read=True, attributes_to_get=_FIELDS_READ
    )
    with Row.batch_write() as batch:
        for part in parts:
            if isinstance(part, ExecutionRow):
                continue
            if isinstance(part, RequestedApprovalRow):
                batch.delete(ApprovalRow(*ApprovalRow.at(organization_id, UUID(part.approval_id))))
            elif isinstance(part, ChildRow):
                _keep_child(part)
            batch.delete(part)


def _keep_child(reference: ChildRow) -> None:
    """Start the retention of a child when the end of its parent has not done that."""
    child = load_row(reference.execution_key)
    if child and child.status not in OPEN_STATUSES and child.ttl is None:
        retention.begin(child)
