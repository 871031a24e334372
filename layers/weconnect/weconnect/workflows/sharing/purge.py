"""Deletion of the shares of a former member, and of what lets data out of an organization."""

from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.workflows.definition import activation
from weconnect.workflows.entities import WorkflowStatus
from weconnect.workflows.rows import WorkflowRow, WorkflowVersionRow
from weconnect.workflows.sharing import service
from weconnect.workflows.sharing.rows import WorkflowShareRow


def delete_shares_with(organization_id: UUID, user_id: UUID) -> None:
    """Delete every share of an organization's workflows with a user; what the user shared with others stays."""
    for row in WorkflowShareRow.gsi1.query(WorkflowShareRow.of_user(organization_id, user_id)):
        row.delete()


def close_access(owner: Caller) -> None:
    """Delete all shares of an organization's workflows, links included, and deactivate the active ones."""
    for deleted in (False, True):
        pk, prefix = WorkflowRow.of_organization(owner.organization_id, deleted=deleted)
        for row in WorkflowRow.query(pk, WorkflowRow.sk.startswith(prefix), consistent_read=True):
            with WorkflowVersionRow.batch_write() as batch:
                service.delete_all(owner.organization_id, UUID(row.id), batch)
            if not deleted and row.status == WorkflowStatus.ACTIVE:
                activation.close(owner, UUID(row.id))
