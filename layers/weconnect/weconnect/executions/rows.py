"""The rows that runs of agents and workflows have in common, and every key that they are found by."""

from uuid import UUID

from pynamodb.attributes import JSONAttribute, UnicodeAttribute

from weconnect.executions.entities import Approval
from weconnect.table import Row, key


class ApprovalRow(Row, discriminator="APPROVAL"):
    """A question. `callback_id` is where its run waits; long arguments leave the row, which stands in two indexes."""

    entity = Approval

    status = UnicodeAttribute()
    arguments = JSONAttribute()
    edited_arguments = JSONAttribute(null=True, attr_name="editedArguments")
    callback_id = UnicodeAttribute(attr_name="callbackId")

    @staticmethod
    def at(organization_id: UUID, approval_id: UUID) -> tuple[str, str]:
        return key("ORG", organization_id), key("APPROVAL", approval_id)

    @staticmethod
    def by_status(organization_id: UUID, status: str) -> str:
        """gsi2: questions of an organization by status."""
        return key("ORG", organization_id, "APPROVAL", status)

    @staticmethod
    def undelivered() -> str:
        """gsi3: answers of all organizations that their runs have not been sent yet, for the sweeper."""
        return key("RUN", "answered")
