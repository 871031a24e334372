"""The shares' rows and every key that they are found by."""

from uuid import UUID

from pynamodb.attributes import UnicodeAttribute

from weconnect.db.table import Row, key
from weconnect.workflows.rows import child
from weconnect.workflows.sharing.entities import WorkflowShare


class WorkflowShareRow(Row, discriminator="WORKFLOWSHARE"):
    """A share, at a place of whom it is for; `token_hash` is that of a link."""

    entity = WorkflowShare

    token_hash = UnicodeAttribute(null=True, attr_name="tokenHash")

    @staticmethod
    def at_user(organization_id: UUID, workflow_id: UUID, user_id: UUID) -> tuple[str, str]:
        return child(organization_id, workflow_id), key("SHARE", "USER", user_id)

    @staticmethod
    def at_role(organization_id: UUID, workflow_id: UUID, role: str) -> tuple[str, str]:
        return child(organization_id, workflow_id), key("SHARE", "ROLE", role)

    @staticmethod
    def at_link(organization_id: UUID, workflow_id: UUID, share_id: UUID) -> tuple[str, str]:
        return child(organization_id, workflow_id), key("SHARE", "LINK", share_id)

    @staticmethod
    def of_links(organization_id: UUID, workflow_id: UUID) -> tuple[str, str]:
        return child(organization_id, workflow_id), key("SHARE", "LINK", "")

    @staticmethod
    def of_workflow(organization_id: UUID, workflow_id: UUID) -> tuple[str, str]:
        return child(organization_id, workflow_id), key("SHARE", "")

    @staticmethod
    def of_user(organization_id: UUID, user_id: UUID) -> str:
        """gsi1: what is shared with a member, by the workflows' ids."""
        return key("ORG", organization_id, "USER", user_id, "SHARED")

    @staticmethod
    def of_role(organization_id: UUID, role: str) -> str:
        """gsi1: what is shared with all who have a role, by the workflows' ids."""
        return key("ORG", organization_id, "ROLE", role, "SHARED")
