"""What activation makes known beside the version that runs: event types, and whether it is offered as a tool.

It moves in the transaction that moves the status, so that no event finds a workflow that does not run.
"""

from typing import Any
from uuid import UUID

from weconnect.db import table
from weconnect.workflows.entities import Node, WorkflowDefinition
from weconnect.workflows.rows import EventTriggerRow, WorkflowRow

MAX_TYPES = 40  # a transaction takes 100 writes: those of the version before go, those of this one come


def nodes_for(definition: WorkflowDefinition, event_type: str | None = None) -> list[Node]:
    """The enabled event nodes, of all types or of one."""
    found = [node for node in definition.nodes if node.is_enabled and node.type == "event"]
    return [node for node in found if event_type is None or event_type in _types(node)]


def types_of(definition: WorkflowDefinition) -> list[str]:
    """The event types that a definition begins runs for."""
    return sorted({name for node in nodes_for(definition) for name in _types(node)})


def show(writes: table.Transaction, row: WorkflowRow, definition: WorkflowDefinition) -> dict[str, Any]:
    """Let a version be found by its triggers; answers what the head is to say of them."""
    types = types_of(definition)
    for name in types:
        pk, sk = _at(row, name)
        writes.put(EventTriggerRow(pk=pk, sk=sk))
    _discard(writes, row, {*(row.event_types or [])} - {*types})
    return {"event_types": types or None, "offered": definition.settings.offer_as_tool or None}


def hide(writes: table.Transaction, row: WorkflowRow) -> dict[str, Any]:
    """Let a workflow be found no more; answers what the head is to say."""
    _discard(writes, row, {*(row.event_types or [])})
    return {"event_types": None, "offered": None}


def has_any(organization_id: UUID, event_type: str) -> bool:
    """Whether some workflow begins a run for events of a type: one read of at most one row."""
    pk, prefix = EventTriggerRow.of_type(organization_id, event_type)
    found = EventTriggerRow.query(
        pk, EventTriggerRow.sk.startswith(prefix), consistent_read=True, limit=1, attributes_to_get=["pk"]
    )
    return next(iter(found), None) is not None


def subscribed(organization_id: UUID, event_type: str) -> list[UUID]:
    """The workflows that begin a run for events of a type."""
    pk, prefix = EventTriggerRow.of_type(organization_id, event_type)
    rows = EventTriggerRow.query(pk, EventTriggerRow.sk.startswith(prefix), consistent_read=True)
    return [UUID(row.sk.rpartition("#")[2]) for row in rows]


def _types(node: Node) -> list[str]:
    """The types that a node names; what is no type is for the static check to tell."""
    found = node.parameters.get("types")
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def _discard(writes: table.Transaction, row: WorkflowRow, types: set[str]) -> None:
    for name in sorted(types):
        writes.discard(EventTriggerRow(*_at(row, name)))


def _at(row: WorkflowRow, event_type: str) -> tuple[str, str]:
    return EventTriggerRow.at(UUID(row.organization_id), event_type, UUID(row.id))
