"""The triggers of active workflows: the event types that start them, and whether they are offered as tools.

They change in the transaction that changes the workflow's status, so that no event finds a workflow that is not active.
"""

from typing import Any
from uuid import UUID

from weconnect.db import table
from weconnect.events import subscriptions
from weconnect.node_sdk.entities import Node
from weconnect.workflows.entities import WorkflowDefinition
from weconnect.workflows.rows import WorkflowRow

# A transaction takes 100 writes: the types of the version before are removed, those of the new one added.
MAX_TYPES = 40


def find_event_nodes(definition: WorkflowDefinition, event_type: str | None = None) -> list[Node]:
    """Return the enabled event nodes, of all event types or of one."""
    nodes = [node for node in definition.nodes if node.is_enabled and node.type == "event"]
    return [node for node in nodes if event_type is None or event_type in _list_types(node)]


def list_event_types(definition: WorkflowDefinition) -> list[str]:
    """Return the types of events that start a workflow with this definition, sorted."""
    return sorted({name for node in find_event_nodes(definition) for name in _list_types(node)})


def add(writes: table.Transaction, row: WorkflowRow, definition: WorkflowDefinition) -> dict[str, Any]:
    """Add to a transaction: the subscriptions of the version to activate; return values for the workflow's row."""
    types = list_event_types(definition)
    organization_id, workflow_id = UUID(row.organization_id), UUID(row.id)
    subscriptions.subscribe(writes, organization_id, workflow_id, types)
    subscriptions.unsubscribe(writes, organization_id, workflow_id, {*(row.event_types or [])} - {*types})
    return {"event_types": types or None, "offered": definition.settings.offer_as_tool or None}


def remove(writes: table.Transaction, row: WorkflowRow) -> dict[str, Any]:
    """Add to a transaction: the deletion of a workflow's subscriptions; return values for the workflow's row."""
    subscriptions.unsubscribe(writes, UUID(row.organization_id), UUID(row.id), row.event_types or [])
    return {"event_types": None, "offered": None}


def _list_types(node: Node) -> list[str]:
    """Return the event types that a node lists, without entries of another type than text."""
    types = node.parameters.get("types")
    return [name for name in types if isinstance(name, str)] if isinstance(types, list) else []
