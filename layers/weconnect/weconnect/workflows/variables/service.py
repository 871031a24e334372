"""Variables: create, read, change, delete. Changes reach runs that begin afterwards."""

import json
from typing import Any
from uuid import UUID

from weconnect import clock
from weconnect.api.caller import Caller
from weconnect.api.idempotency import new_id
from weconnect.api.pagination import Page, query_page
from weconnect.db import table
from weconnect.errors import Conflict, Invalid, LimitReached
from weconnect.identity.permissions import require_own
from weconnect.log import MASK
from weconnect.organizations.rows import CountRow
from weconnect.security import encryption
from weconnect.workflows import service as workflows
from weconnect.workflows.rows import WorkflowRow
from weconnect.workflows.sharing import access
from weconnect.workflows.variables.entities import (
    NewVariable,
    VariableChanges,
    VariableScope,
    VariableType,
    WorkflowVariable,
    check_value,
)
from weconnect.workflows.variables.rows import VariableIdRow, VariableRow

MAX_VARIABLES = 100
NOBODY = UUID(int=0)


def create(caller: Caller, new: NewVariable) -> WorkflowVariable:
    """Make a variable; raises Conflict `name_taken`, LimitReached at 100 of its scope, NotFound for its workflow."""
    _may_change(caller, new.workflow_id)
    variable_id, moment = new_id(), clock.now()
    variable = WorkflowVariable(
        id=variable_id,
        created_at=moment,
        updated_at=moment,
        organization_id=caller.organization_id,
        user_id=caller.user_id,
        **new.model_dump(exclude={"value"}),
    )
    pk, sk = VariableRow.at(caller.organization_id, new.workflow_id, new.name)
    row = VariableRow.of(variable, pk=pk, sk=sk)
    row.set(**_held(row, new.value))
    id_pk, id_sk = VariableIdRow.at(caller.organization_id, variable_id)
    taken = Conflict(f"There is a variable {new.name!r} in this scope already", code="name_taken")
    refused = LimitReached(f"A scope takes {MAX_VARIABLES} variables", code="variable_limit_reached")
    with table.transaction(caller.actor()) as writes:
        writes.create(row, taken)
        writes.create(VariableIdRow(pk=id_pk, sk=id_sk, place=sk))
        count = counter(caller.organization_id, new.workflow_id)
        writes.count(count, "count", 1, limit=MAX_VARIABLES, refused=refused)
    return shown(row)


def get(caller: Caller, variable_id: UUID) -> WorkflowVariable:
    """One variable, a secret's value masked."""
    return shown(_need(caller, variable_id))


def find(
    caller: Caller, *, limit: int, cursor: str | None, scope: VariableScope | None, workflow_id: UUID | None
) -> Page[WorkflowVariable]:
    """A workflow's variables, or without one the organization's own, by name."""
    if scope is not None and (scope == VariableScope.WORKFLOW) != (workflow_id is not None):
        text = "workflowId belongs to the scope workflow, and is needed there"
        errors = [{"pointer": "/query/workflowId", "detail": text}]
        raise Invalid("This cannot be asked for", code="invalid_filter", errors=errors)
    if workflow_id:
        workflows.need(caller, workflow_id, access.VIEW)
    pk, prefix = VariableRow.of_scope(caller.organization_id, workflow_id)
    rows, following = query_page(VariableRow, pk, prefix, limit=limit, cursor=cursor, newest_first=False)
    return Page(items=[shown(row) for row in rows], next_cursor=following)


def update(
    caller: Caller, variable_id: UUID, changes: VariableChanges, if_match: int | None
) -> WorkflowVariable:
    """Change value or description; a new secret is sealed anew."""
    row = _need_own(caller, variable_id)
    values: dict[str, Any] = {}
    if "value" in changes.model_fields_set:
        try:
            check_value(VariableType(row.type), changes.value)
        except ValueError as error:
            errors = [{"pointer": "/value", "detail": str(error)}]
            raise Invalid("The value does not fit", code="invalid_value", errors=errors) from error
        values |= _held(row, changes.value)
    if changes.description is not None:
        values["description"] = changes.description
    return shown(table.change(row, values, caller.actor(), if_match=if_match))


def delete(caller: Caller, variable_id: UUID, if_match: int | None) -> None:
    """Delete a variable for good; runs that have begun keep what they pinned."""
    row = _need_own(caller, variable_id)
    workflow_id = UUID(row.workflow_id) if row.workflow_id else None
    with table.transaction(caller.actor()) as writes:
        writes.delete(row, if_match=if_match)
        writes.discard(VariableIdRow(*VariableIdRow.at(caller.organization_id, variable_id)))
        writes.count(counter(caller.organization_id, workflow_id), "count", -1)


def shown(row: VariableRow) -> WorkflowVariable:
    """The variable on the wire."""
    found: WorkflowVariable = row.to_entity(value=MASK if row.sealed else json.loads(row.content))
    return found


def counter(organization_id: UUID, workflow_id: UUID | None) -> CountRow:
    """How many variables a scope has."""
    pk, sk = CountRow.at(organization_id, f"VARIABLE-{workflow_id or 'ORGANIZATION'}")
    return CountRow(pk=pk, sk=sk)


def _held(row: VariableRow, value: Any) -> dict[str, Any]:
    """How the row holds a value."""
    if row.type != VariableType.SECRET:
        return {"content": json.dumps(value, ensure_ascii=True)}
    version = int(row.secret_version or 0) + 1
    place = {"kind": "VARIABLE", "id": str(row.id), "field": "value"}
    sealed = encryption.encrypt(UUID(row.organization_id), **place, text=value, secret_version=version)
    return {"sealed": sealed, "secret_version": version}


def _need(caller: Caller, variable_id: UUID) -> VariableRow:
    known = table.need(VariableIdRow, VariableIdRow.at(caller.organization_id, variable_id), "variable")
    row = table.need(VariableRow, (known.pk, known.place), "variable")
    if row.workflow_id:  # one of a workflow in the trash is out of reach, as the workflow is
        at = WorkflowRow.at(caller.organization_id, UUID(row.workflow_id))
        table.need(WorkflowRow, at, "variable")
    return row


def _need_own(caller: Caller, variable_id: UUID) -> VariableRow:
    row = _need(caller, variable_id)
    _may_change(caller, UUID(row.workflow_id) if row.workflow_id else None)
    return row


def _may_change(caller: Caller, workflow_id: UUID | None) -> None:
    """Let a plain member change variables of their own workflows alone (403); all use the organization's."""
    if workflow_id:
        workflows.need(caller, workflow_id, access.EDIT)
    else:
        require_own(caller, NOBODY)
