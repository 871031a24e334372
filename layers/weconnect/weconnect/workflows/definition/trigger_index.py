"""The triggers of active workflows: what starts them by itself, and whether they are offered as tools.

They change in the transaction that changes the workflow's status, so that nothing starts a workflow that is not active.
The workflow's row has the keys of its triggers by their kind.
"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from weconnect import registry, registry_index
from weconnect.db import table
from weconnect.node_sdk.entities import Node
from weconnect.node_sdk.trigger_kind import TriggerKind
from weconnect.workflows.entities import WorkflowDefinition
from weconnect.workflows.rows import WorkflowRow

# A transaction takes 100 writes: the triggers of the version before are removed, those of the new one added.
MAX_KEYS = 40


def get_kind(name: str) -> TriggerKind:
    """Return a kind of triggers, importing its module at first use."""
    kind: TriggerKind = registry.resolve(registry_index.TRIGGERS[name])
    return kind


def list_keys(definition: WorkflowDefinition) -> dict[str, list[str]]:
    """Return the keys of the triggers of a workflow with this definition, by their kind."""
    nodes_by_kind = _group_nodes(definition)
    keys_by_kind = {name: get_kind(name).list_keys(nodes) for name, nodes in nodes_by_kind.items()}
    return {name: keys for name, keys in keys_by_kind.items() if keys}


def add(writes: table.Transaction, row: WorkflowRow, definition: WorkflowDefinition) -> dict[str, Any]:
    """Add to a transaction: the triggers of the version to activate; return values for the workflow's row."""
    organization_id, workflow_id = UUID(row.organization_id), UUID(row.id)
    keys_by_kind = list_keys(definition)
    for name, nodes in _group_nodes(definition).items():
        get_kind(name).add(writes, organization_id, workflow_id, nodes)
    for name, keys in (row.trigger_keys or {}).items():
        outdated = sorted({*keys} - {*keys_by_kind.get(name, ())})
        get_kind(name).remove(writes, organization_id, workflow_id, outdated)
    return {"trigger_keys": keys_by_kind or None, "offered": definition.settings.offer_as_tool or None}


def remove(writes: table.Transaction, row: WorkflowRow) -> dict[str, Any]:
    """Add to a transaction: the removal of a workflow's triggers; return values for the workflow's row."""
    for name, keys in (row.trigger_keys or {}).items():
        get_kind(name).remove(writes, UUID(row.organization_id), UUID(row.id), keys)
    return {"trigger_keys": None, "offered": None}


def list_rows(row: WorkflowRow) -> Iterator[tuple[str, str]]:
    """Yield the keys (pk, sk) of the rows of a workflow's triggers."""
    for name, keys in (row.trigger_keys or {}).items():
        yield from get_kind(name).list_rows(UUID(row.organization_id), UUID(row.id), keys)


def _group_nodes(definition: WorkflowDefinition) -> dict[str, list[Node]]:
    """Return the enabled nodes whose type is a kind of triggers, by that type."""
    nodes_by_kind: dict[str, list[Node]] = {}
    for node in definition.nodes:
        if node.is_enabled and node.type in registry_index.TRIGGERS:
            nodes_by_kind.setdefault(node.type, []).append(node)
    return nodes_by_kind
