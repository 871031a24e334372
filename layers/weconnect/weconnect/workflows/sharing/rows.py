"""Rows of shares and their keys."""

from uuid import UUID

from pynamodb.attributes import Attribute

from weconnect.db.table import EntityRow, key, stored
from weconnect.workflows.rows import workflow_partition
from weconnect.workflows.sharing.entities import WorkflowShare


class WorkflowShareRow(EntityRow[WorkflowShare], discriminator="WORKFLOWSHARE"):
    """A share, keyed by its recipient; `token_hash` is the SHA-256 of a link's token."""

    id: Attribute[str]
    level: Attribute[str]
    token_hash: Attribute[str | None] = stored()

    @staticmethod
    def at_user(organization_id: UUID, workflow_id: UUID, user_id: UUID) -> tuple[str, str]:
        """Return the key of the share with a member."""
        return workflow_partition(organization_id, workflow_id), key("SHARE", "USER", user_id)

    @staticmethod
    def at_role(organization_id: UUID, workflow_id: UUID, role: str) -> tuple[str, str]:
        """Return the key of the share with a role."""
        return workflow_partition(organization_id, workflow_id), key("SHARE", "ROLE", role)

    @staticmethod
    def at_link(organization_id: UUID, workflow_id: UUID, share_id: UUID) -> tuple[str, str]:
        """Return the key of a link."""
        return workflow_partition(organization_id, workflow_id), key("SHARE", "LINK", share_id)

    @staticmethod
    def of_links(organization_id: UUID, workflow_id: UUID) -> tuple[str, str]:
        """Return the partition and the prefix of a workflow's links."""
        return workflow_partition(organization_id, workflow_id), key("SHARE", "LINK", "")

    @staticmethod
    def of_workflow(organization_id: UUID, workflow_id: UUID) -> tuple[str, str]:
        """Return the partition and the prefix of a workflow's shares."""
        return workflow_partition(organization_id, workflow_id), key("SHARE", "")

    @staticmethod
    def of_user(organization_id: UUID, user_id: UUID) -> str:
        """Return the partition in gsi1 of the shares with a member; the sort key is the workflow's ID."""
        return key("ORG", organization_id, "USER", user_id, "SHARED")

    @staticmethod
    def of_role(organization_id: UUID, role: str) -> str:
        """Return the partition in gsi1 of the shares with a role; the sort key is the workflow's ID."""
        return key("ORG", organization_id, "ROLE", role, "SHARED")
