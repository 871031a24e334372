"""Rows of workflows and their keys."""

from uuid import UUID

from pynamodb.attributes import Attribute

from weconnect.db.payloads import Pointer
from weconnect.db.table import EntityRow, key, stored
from weconnect.workflows.entities import WorkflowSummary, WorkflowVersionSummary


class WorkflowRow(EntityRow[WorkflowSummary], discriminator="WORKFLOW"):
    """A workflow without its definition. Each execution that ends updates its counters.

    `trigger_keys` are the keys of the triggers of its active version, by their kind: `{"event": ["order.created"]}`;
    `offered` says that it is offered as a tool.
    """

    id: Attribute[str]
    deleted_at: Attribute[str | None]
    organization_id: Attribute[str]
    user_id: Attribute[str]
    name: Attribute[str]
    description: Attribute[str]
    status: Attribute[str]
    tags: Attribute[list[str]]
    latest_version: Attribute[int]
    active_version: Attribute[int | None]
    execution_count: Attribute[int] = stored(default=0)
    trigger_keys: Attribute[dict[str, list[str]] | None] = stored()
    offered: Attribute[bool | None] = stored()

    @staticmethod
    def at(organization_id: UUID, workflow_id: UUID) -> tuple[str, str]:
        """Return the key of a workflow."""
        return key("ORG", organization_id), key("WORKFLOW", workflow_id)

    @staticmethod
    def in_trash(organization_id: UUID, workflow_id: UUID) -> tuple[str, str]:
        """Return the key of a workflow in the trash."""
        return key("ORG", organization_id), key("TRASH", "WORKFLOW", workflow_id)

    @staticmethod
    def of_organization(organization_id: UUID, *, deleted: bool = False) -> tuple[str, str]:
        """Return the partition and the prefix of an organization's workflows, or of those in its trash."""
        return key("ORG", organization_id), key("TRASH", "WORKFLOW", "") if deleted else key("WORKFLOW", "")


class WorkflowVersionRow(EntityRow[WorkflowVersionSummary], discriminator="WORKFLOWVERSION"):
    """An immutable version with its packed definition.

    Copies of the newest and of the active version have keys of their own, to be read together with the workflow's row.
    """

    number: Attribute[int]
    packed: Attribute[bytes | None] = stored()
    pointer: Attribute[Pointer | None] = stored()

    @staticmethod
    def at(organization_id: UUID, workflow_id: UUID, number: int) -> tuple[str, str]:
        """Return the key of a version."""
        return workflow_partition(organization_id, workflow_id), key("VERSION", f"{number:06d}")

    @staticmethod
    def at_newest(organization_id: UUID, workflow_id: UUID) -> tuple[str, str]:
        """Return the key of the newest version's copy."""
        return workflow_partition(organization_id, workflow_id), key("NEWEST")

    @staticmethod
    def at_active(organization_id: UUID, workflow_id: UUID) -> tuple[str, str]:
        """Return the key of the active version's copy."""
        return workflow_partition(organization_id, workflow_id), key("ACTIVE")

    @staticmethod
    def of_workflow(organization_id: UUID, workflow_id: UUID) -> tuple[str, str]:
        """Return the partition and the prefix of a workflow's versions."""
        return workflow_partition(organization_id, workflow_id), key("VERSION", "")


def workflow_partition(organization_id: UUID, workflow_id: UUID) -> str:
    """Return the partition of everything that belongs to one workflow."""
    return key("ORG", organization_id, "WORKFLOW", workflow_id)
