"""Erasure of the executions of a deleted organization."""

from uuid import UUID

from weconnect.db.erasure import Eraser, list_keys
from weconnect.executions.rows import ChildRow, ExecutionRow


def erase_organization(organization_id: UUID, eraser: Eraser) -> None:
    """Delete the partition of each workflow execution, and the references to its children."""
    for pk, _ in list_keys(ExecutionRow.of_organization(organization_id), index="gsi1"):
        children, _ = ChildRow.of_parent(organization_id, UUID(pk.rpartition("#")[2]))
        eraser.erase(list_keys(children))
        eraser.erase(list_keys(pk))
