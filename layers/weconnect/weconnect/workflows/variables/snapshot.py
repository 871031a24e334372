"""What a run sees of the variables: those that its definition names, as they are when it begins."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from weconnect.db import table
from weconnect.workflows.entities import WorkflowDefinition
from weconnect.workflows.node_sdk.node_type import referenced, texts
from weconnect.workflows.node_sdk.secret_values import Sealed
from weconnect.workflows.variables.rows import VariableRow

AT_ONCE = 50


class Variables(BaseModel):
    """Values by name, and secrets by name as they are stored: encrypted."""

    values: dict[str, Any] = {}
    sealed: dict[str, Sealed] = {}


def pin(organization_id: UUID, workflow_id: UUID, definition: WorkflowDefinition) -> Variables:
    """The variables that the definition may use; the workflow's own win over the organization's."""
    values = [node.parameters for node in definition.nodes]
    conditions = [connection.condition for connection in definition.connections]
    sources = [text for text in texts([values, conditions]) if "$vars" in text]
    found = Variables()
    if not sources:
        return found
    names = referenced(sources, "vars")
    for scope in (None, workflow_id):
        for row in _rows(organization_id, scope, names):
            found.values.pop(row.name, None)
            found.sealed.pop(row.name, None)
            if row.sealed:
                found.sealed[row.name] = Sealed(id=row.id, text=row.sealed)
            else:
                found.values[row.name] = json.loads(row.content)
    return found


def _rows(organization_id: UUID, workflow_id: UUID | None, names: set[str] | None) -> Iterator[VariableRow]:
    if names is None:
        pk, prefix = VariableRow.of_scope(organization_id, workflow_id)
        yield from VariableRow.query(pk, VariableRow.sk.startswith(prefix), consistent_read=True)
        return
    places = [VariableRow.at(organization_id, workflow_id, name) for name in sorted(names)]
    for at in range(0, len(places), AT_ONCE):
        for row in table.get_many(places[at : at + AT_ONCE]).values():
            assert isinstance(row, VariableRow)
            yield row
