"""Erasure of the executions of a deleted organization's workflows."""

from uuid import UUID

from weconnect.db.erasure import Eraser, list_keys
from weconnect.workflows.executions.rows import WorkflowExecutionRow


def erase_organization(organization_id: UUID, eraser: Eraser) -> None:
    """Delete the partition of each execution."""
    for pk, _ in list_keys(WorkflowExecutionRow.of_organization(organization_id), index="gsi1"):
        eraser.erase(list_keys(pk))
