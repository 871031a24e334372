"""The snapshot of variables that an execution sees: those that its definition names, as they are when it starts."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from weconnect.db import table
from weconnect.node_sdk.node_expressions import find_used_names
from weconnect.node_sdk.secret_values import SealedSecret
from weconnect.workflows.entities import WorkflowDefinition
from weconnect.workflows.variables.rows import VariableRow

BATCH = 50


class VariableSnapshot(BaseModel):
    """Values by name, and secrets by name as they are stored: encrypted."""

    values: dict[str, Any] = {}
    sealed: dict[str, SealedSecret] = {}


def take_snapshot(
    organization_id: UUID, workflow_id: UUID, definition: WorkflowDefinition
) -> VariableSnapshot:
    """Return the variables that a definition may use; the workflow's own replace the organization's."""
    snapshot = VariableSnapshot()
    names = find_used_names(definition.nodes, definition.connections, "vars")
    if names is not None and not names:
        return snapshot
    for scope in (None, workflow_id):
        for row in _load_rows(organization_id, scope, names):
            snapshot.values.pop(row.name, None)
            snapshot.sealed.pop(row.name, None)
            if row.sealed:
                snapshot.sealed[row.name] = SealedSecret(id=UUID(row.id), text=row.sealed)
            else:
                snapshot.values[row.name] = json.loads(row.content or "null")
    return snapshot


def _load_rows(
    organization_id: UUID, workflow_id: UUID | None, names: set[str] | None
) -> Iterator[VariableRow]:
    """Yield the variables of a scope with these names; all of them for None."""
    if names is None:
        pk, prefix = VariableRow.of_scope(organization_id, workflow_id)
        yield from VariableRow.query(pk, VariableRow.sk.startswith(prefix), consistent_read=True)
        return
    keys = [VariableRow.at(organization_id, workflow_id, name) for name in sorted(names)]
    for start in range(0, len(keys), BATCH):
        for row in table.get_many(keys[start : start + BATCH]).values():
            assert isinstance(row, VariableRow)
            yield row
