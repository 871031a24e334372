"""The trigger kind `event`: events of the types that a workflow's event nodes list start it."""

from collections.abc import Sequence
from uuid import UUID

from weconnect.db.table import Transaction
from weconnect.events import subscriptions
from weconnect.events.rows import EventTriggerRow
from weconnect.node_sdk.entities import Node
from weconnect.node_sdk.trigger_kind import TriggerKind
from weconnect.workflows.entities import WorkflowDefinition


def find_nodes(definition: WorkflowDefinition, event_type: str) -> list[Node]:
    """Return the enabled event nodes that list an event type."""
    return [
        node
        for node in definition.nodes
        if node.is_enabled and node.type == "event" and event_type in _list_node_types(node)
    ]


def _list_types(nodes: Sequence[Node]) -> list[str]:
    """Return the types of events that nodes list, sorted."""
    return sorted({name for node in nodes for name in _list_node_types(node)})


def _list_node_types(node: Node) -> list[str]:
    """Return the event types that a node lists, without entries of another type than text."""
    types = node.parameters.get("types")
    return [name for name in types if isinstance(name, str)] if isinstance(types, list) else []


def _subscribe(writes: Transaction, organization_id: UUID, workflow_id: UUID, nodes: Sequence[Node]) -> None:
    """Add the subscriptions of a workflow's event nodes to a transaction. Idempotent."""
    subscriptions.subscribe(writes, organization_id, workflow_id, _list_types(nodes))


def _list_rows(organization_id: UUID, workflow_id: UUID, event_types: Sequence[str]) -> list[tuple[str, str]]:
    """Return the keys of a workflow's subscriptions."""
    return [EventTriggerRow.at(organization_id, event_type, workflow_id) for event_type in event_types]


TRIGGER = TriggerKind(
    noun="types of events",
    list_keys=_list_types,
    add=_subscribe,
    remove=subscriptions.unsubscribe,
    list_rows=_list_rows,
    too_many="too_many_event_types",
)
