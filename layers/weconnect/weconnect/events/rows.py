"""The rows of event subscriptions and their keys."""

from uuid import UUID

from weconnect.db.table import Row, key


class EventTriggerRow(Row, discriminator="EVENTTRIGGER"):
    """The subscription of an active workflow, which starts an execution for each event of a type."""

    @staticmethod
    def at(organization_id: UUID, event_type: str, workflow_id: UUID) -> tuple[str, str]:
        """Return the key (pk, sk) of a workflow's subscription to an event type."""
        return key("ORG", organization_id, "TRIGGER", "event", event_type), key("WORKFLOW", workflow_id)

    @staticmethod
    def of_type(organization_id: UUID, event_type: str) -> tuple[str, str]:
        """Return the partition and the sort key prefix of the subscriptions to an event type."""
        return key("ORG", organization_id, "TRIGGER", "event", event_type), key("WORKFLOW", "")
