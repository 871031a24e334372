"""A trigger kind for tests: each `schedule` node has a row, whose key is the node's expression."""

from collections.abc import Sequence
from uuid import UUID

from weconnect.db.table import Transaction
from weconnect.events.rows import EventTriggerRow
from weconnect.node_sdk.entities import Node
from weconnect.node_sdk.trigger_kind import TriggerKind


def list_keys(nodes: Sequence[Node]) -> list[str]:
    return sorted({str(node.parameters["expression"]) for node in nodes})


def list_rows(organization_id: UUID, workflow_id: UUID, keys: Sequence[str]) -> list[tuple[str, str]]:
    return [EventTriggerRow.at(organization_id, f"day-{key}", workflow_id) for key in keys]


def add(writes: Transaction, organization_id: UUID, workflow_id: UUID, nodes: Sequence[Node]) -> None:
    for pk, sk in list_rows(organization_id, workflow_id, list_keys(nodes)):
        writes.put(EventTriggerRow(pk=pk, sk=sk))


def remove(writes: Transaction, organization_id: UUID, workflow_id: UUID, keys: Sequence[str]) -> None:
    for at in list_rows(organization_id, workflow_id, keys):
        writes.discard(EventTriggerRow(*at))


TRIGGER = TriggerKind(noun="days", list_keys=list_keys, add=add, remove=remove, list_rows=list_rows)
