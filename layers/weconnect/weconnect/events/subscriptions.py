"""Subscriptions: the workflows that start an execution for each event of a type.

They move in the transaction that moves a workflow's status, so that no event reaches a workflow that is not active.
"""

from collections.abc import Iterable
from uuid import UUID

from weconnect.db.table import Transaction
from weconnect.events.rows import EventTriggerRow

MAX_DEPTH = 5
"""The deepest nesting level at which an execution may start others, be it by an event, a call or a tool."""


def subscribe(
    writes: Transaction, organization_id: UUID, workflow_id: UUID, event_types: Iterable[str]
) -> None:
    """Add subscriptions of a workflow to a transaction. Idempotent."""
    for event_type in event_types:
        pk, sk = EventTriggerRow.at(organization_id, event_type, workflow_id)
        writes.put(EventTriggerRow(pk=pk, sk=sk))


def unsubscribe(
    writes: Transaction, organization_id: UUID, workflow_id: UUID, event_types: Iterable[str]
) -> None:
    """Remove subscriptions of a workflow in a transaction. Idempotent."""
    for event_type in event_types:
        writes.discard(EventTriggerRow(*EventTriggerRow.at(organization_id, event_type, workflow_id)))


def has_subscriber(organization_id: UUID, event_type: str) -> bool:
    """Return whether an active workflow subscribes to an event type: one read of at most one row."""
    pk, prefix = EventTriggerRow.of_type(organization_id, event_type)
    rows = EventTriggerRow.query(
        pk, EventTriggerRow.sk.startswith(prefix), consistent_read=True, limit=1, attributes_to_get=["pk"]
    )
    return next(iter(rows), None) is not None


def find_subscribers(organization_id: UUID, event_type: str) -> list[UUID]:
    """Return the ids of the active workflows that subscribe to an event type."""
    pk, prefix = EventTriggerRow.of_type(organization_id, event_type)
    rows = EventTriggerRow.query(pk, EventTriggerRow.sk.startswith(prefix), consistent_read=True)
    return [UUID(row.sk.rpartition("#")[2]) for row in rows]
