"""Rows of approval requests."""

from typing import TypedDict
from uuid import UUID

from pynamodb.attributes import Attribute

from weconnect.approvals.entities import Approval
from weconnect.base_entity import JsonObject
from weconnect.db.payloads import StoredText
from weconnect.db.table import EntityRow, Row, key, stored


class StoredApprovers(TypedDict, total=False):
    """The IDs of the users and the names of the roles who may decide, as stored JSON."""

    users: list[str]
    roles: list[str]


class ApprovalRow(EntityRow[Approval], discriminator="APPROVAL"):
    """An approval request.

    `callback_id` is the callback that the execution waits for; it is absent until the execution waits. `depth` is the
    nesting level of that execution. Long arguments are stored outside of the row, because two indexes copy it.
    """

    id: Attribute[str]
    organization_id: Attribute[str]
    run_type: Attribute[str]
    input_schema: Attribute[JsonObject]
    approvers: Attribute[StoredApprovers]
    expires_at: Attribute[str]
    api_key_id: Attribute[str | None]
    status: Attribute[str] = stored()
    arguments: Attribute[StoredText] = stored()
    edited_arguments: Attribute[StoredText | None] = stored()
    callback_id: Attribute[str | None] = stored()
    depth: Attribute[int] = stored(default=0)

    @staticmethod
    def at(organization_id: UUID, approval_id: UUID) -> tuple[str, str]:
        """Return the key (pk, sk) of an approval request."""
        return key("ORG", organization_id), key("APPROVAL", approval_id)

    @staticmethod
    def by_status(organization_id: UUID, status: str) -> str:
        """Return the gsi2 partition of an organization's approval requests in one status."""
        return key("ORG", organization_id, "APPROVAL", status)

    @staticmethod
    def undelivered() -> str:
        """Return the gsi3 partition of all decisions that are not delivered yet, which the sweeper reads."""
        return key("RUN", "answered")


class RequestedApprovalRow(Row, discriminator="QUESTION"):
    """A reference from an execution to its approval request, which is withdrawn when the execution ends."""

    approval_id: Attribute[str] = stored()

    @staticmethod
    def at(organization_id: UUID, execution_id: UUID, path: str) -> tuple[str, str]:
        """Return the key (pk, sk) of the reference to the request at a path of an execution."""
        return key("ORG", organization_id, "EXECUTION", execution_id), key("QUESTION", path)

    @staticmethod
    def of_execution(organization_id: UUID, execution_id: UUID) -> tuple[str, str]:
        """Return the partition and the sort key prefix of an execution's references."""
        return key("ORG", organization_id, "EXECUTION", execution_id), key("QUESTION", "")
