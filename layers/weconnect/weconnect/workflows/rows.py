"""The workflows' rows and every key that they are found by."""

from uuid import UUID

from pynamodb.attributes import BinaryAttribute, BooleanAttribute, JSONAttribute, NumberAttribute

from weconnect.db.table import Row, key
from weconnect.workflows.entities import WorkflowSummary, WorkflowVersionSummary


class WorkflowRow(Row, discriminator="WORKFLOW"):
    """The head of a workflow. Ended runs move its counters.

    `event_types` are those that its active version begins runs for, `offered` tells whether MCP clients may call it.
    """

    entity = WorkflowSummary

    execution_count = NumberAttribute(default=0, attr_name="executionCount")
    event_types = JSONAttribute(null=True, attr_name="eventTypes")
    offered = BooleanAttribute(null=True)

    @staticmethod
    def at(organization_id: UUID, workflow_id: UUID) -> tuple[str, str]:
        return key("ORG", organization_id), key("WORKFLOW", workflow_id)

    @staticmethod
    def in_trash(organization_id: UUID, workflow_id: UUID) -> tuple[str, str]:
        return key("ORG", organization_id), key("TRASH", "WORKFLOW", workflow_id)

    @staticmethod
    def of_organization(organization_id: UUID, *, deleted: bool = False) -> tuple[str, str]:
        """The partition and the prefix of an organization's workflows, or of those in its trash."""
        return key("ORG", organization_id), key("TRASH", "WORKFLOW", "") if deleted else key("WORKFLOW", "")


class WorkflowVersionRow(Row, discriminator="WORKFLOWVERSION"):
    """An immutable definition, packed. Copies of the newest and the active one stand at keys of their own, to be read
    with the head.
    """

    entity = WorkflowVersionSummary

    packed = BinaryAttribute(null=True, legacy_encoding=False)
    pointer = JSONAttribute(null=True)

    @staticmethod
    def at(organization_id: UUID, workflow_id: UUID, number: int) -> tuple[str, str]:
        return child(organization_id, workflow_id), key("VERSION", f"{number:06d}")

    @staticmethod
    def at_newest(organization_id: UUID, workflow_id: UUID) -> tuple[str, str]:
        return child(organization_id, workflow_id), key("NEWEST")

    @staticmethod
    def at_active(organization_id: UUID, workflow_id: UUID) -> tuple[str, str]:
        return child(organization_id, workflow_id), key("ACTIVE")

    @staticmethod
    def of_workflow(organization_id: UUID, workflow_id: UUID) -> tuple[str, str]:
        return child(organization_id, workflow_id), key("VERSION", "")


class EventTriggerRow(Row, discriminator="EVENTTRIGGER"):
    """Names an active workflow that begins a run for each event of a type."""

    @staticmethod
    def at(organization_id: UUID, event_type: str, workflow_id: UUID) -> tuple[str, str]:
        return key("ORG", organization_id, "TRIGGER", "event", event_type), key("WORKFLOW", workflow_id)

    @staticmethod
    def of_type(organization_id: UUID, event_type: str) -> tuple[str, str]:
        return key("ORG", organization_id, "TRIGGER", "event", event_type), key("WORKFLOW", "")


def child(organization_id: UUID, workflow_id: UUID) -> str:
    """The partition of everything that belongs to one workflow."""
    return key("ORG", organization_id, "WORKFLOW", workflow_id)
