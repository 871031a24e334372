"""Deletion of the shares of a former member."""

from uuid import UUID

from weconnect.workflows.sharing.rows import WorkflowShareRow


def delete_shares_with(organization_id: UUID, user_id: UUID) -> None:
    """Delete every share of an organization's workflows with a user; what the user shared with others stays."""
    for row in WorkflowShareRow.gsi1.query(WorkflowShareRow.of_user(organization_id, user_id)):
        row.delete()
