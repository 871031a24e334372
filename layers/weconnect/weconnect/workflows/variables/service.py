"""Variables: create, read, change, delete. A change affects the executions that start after it."""

import json
from typing import Any
from uuid import UUID

from weconnect import clock
from weconnect.api.caller import Caller
from weconnect.api.idempotency import replay_safe_id
from weconnect.api.pagination import Page, query_page
from weconnect.db import table
from weconnect.errors import NameTaken
from weconnect.hiding import MASK
from weconnect.identity.permissions import require_own_entity
from weconnect.organizations.rows import CountRow
from weconnect.security import encryption
from weconnect.workflows import service as workflows
from weconnect.workflows.errors import (
    InvalidFilter,
    InvalidVariableValue,
    VariableLimitReached,
    VariableNotFound,
)
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
    """Create a variable. Raises NameTaken, VariableLimitReached at 100 of a scope, WorkflowNotFound."""
    _require_may_change(caller, new.workflow_id)
    variable_id, moment = replay_safe_id(), clock.now()
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
    row.set(**_build_stored_value(row, new.value))
    id_pk, id_sk = VariableIdRow.at(caller.organization_id, variable_id)
    limit_reached = VariableLimitReached(
        f"The scope has {MAX_VARIABLES} variables, the maximum. Delete one first."
    )
    with table.transaction(caller.actor()) as writes:
        writes.create(row, NameTaken("another variable of this scope", new.name))
        writes.create(VariableIdRow(pk=id_pk, sk=id_sk, sort_key=sk))
        count = count_row(caller.organization_id, new.workflow_id)
        writes.increment(count, "count", 1, limit=MAX_VARIABLES, if_refused=limit_reached)
    return to_variable(row)


def get(caller: Caller, variable_id: UUID) -> WorkflowVariable:
    """Return a variable; the value of a secret is masked. Raises VariableNotFound."""
    return to_variable(_require_variable(caller, variable_id))


def find(
    caller: Caller, *, limit: int, cursor: str | None, scope: VariableScope | None, workflow_id: UUID | None
) -> Page[WorkflowVariable]:
    """Return a page of a workflow's variables, or of the organization's own, by name. Raises InvalidFilter."""
    if scope is not None and (scope == VariableScope.WORKFLOW) != (workflow_id is not None):
        text = "Invalid filter: give workflowId with the scope workflow, and with no other scope."
        raise InvalidFilter(text, pointer="/query/workflowId")
    if workflow_id:
        workflows.require(caller, workflow_id, access.VIEW)
    pk, prefix = VariableRow.of_scope(caller.organization_id, workflow_id)
    rows, next_cursor = query_page(VariableRow, pk, prefix, limit=limit, cursor=cursor, newest_first=False)
    return Page(items=[to_variable(row) for row in rows], next_cursor=next_cursor)


def update(
    caller: Caller, variable_id: UUID, changes: VariableChanges, if_match: int | None
) -> WorkflowVariable:
    """Change the value or the description of a variable; the mask of a secret, sent back, keeps it.

    Raises InvalidVariableValue, StaleVersion.
    """
    row = _require_own(caller, variable_id)
    values: dict[str, Any] = {}
    if "value" in changes.model_fields_set and not (row.sealed and changes.value == MASK):
        try:
            check_value(VariableType(row.type), changes.value)
        except ValueError as error:
            raise InvalidVariableValue(str(error), pointer="/value") from error
        values |= _build_stored_value(row, changes.value)
    if changes.description is not None:
        values["description"] = changes.description
    return to_variable(table.change(row, values, caller.actor(), if_match=if_match))


def delete(caller: Caller, variable_id: UUID, if_match: int | None) -> None:
    """Delete a variable for good. Executions that have started keep their snapshot of it."""
    row = _require_own(caller, variable_id)
    workflow_id = UUID(row.workflow_id) if row.workflow_id else None
    with table.transaction(caller.actor()) as writes:
        writes.delete(row, if_match=if_match)
        writes.discard(VariableIdRow(*VariableIdRow.at(caller.organization_id, variable_id)))
        writes.increment(count_row(caller.organization_id, workflow_id), "count", -1)


def to_variable(row: VariableRow) -> WorkflowVariable:
    """Return a row's variable with its value, masked when it is a secret."""
    return row.to_entity(value=MASK if row.sealed else json.loads(row.content or "null"))


def count_row(organization_id: UUID, workflow_id: UUID | None) -> CountRow:
    """Return the row (not read) that counts the variables of a scope."""
    pk, sk = CountRow.at(organization_id, f"VARIABLE-{workflow_id or 'ORGANIZATION'}")
    return CountRow(pk=pk, sk=sk)


def _build_stored_value(row: VariableRow, value: Any) -> dict[str, Any]:
    """Return the fields of the row for a value: JSON, or encrypted for a secret."""
    if row.type != VariableType.SECRET:
        return {"content": json.dumps(value, ensure_ascii=True)}
    version = int(row.secret_version or 0) + 1
    aad = {"kind": "VARIABLE", "id": str(row.id), "field": "value"}
    sealed = encryption.encrypt(UUID(row.organization_id), **aad, text=value, secret_version=version)
    return {"sealed": sealed, "secret_version": version}


def _require_variable(caller: Caller, variable_id: UUID) -> VariableRow:
    """Return the row of a variable. Raises VariableNotFound."""
    at = VariableIdRow.at(caller.organization_id, variable_id)
    id_row = table.require(VariableIdRow, at, VariableNotFound)
    row = table.require(VariableRow, (id_row.pk, id_row.sort_key), VariableNotFound)
    if row.workflow_id:  # a variable of a workflow in the trash is out of reach, as the workflow is
        at = WorkflowRow.at(caller.organization_id, UUID(row.workflow_id))
        table.require(WorkflowRow, at, VariableNotFound)
    return row


def _require_own(caller: Caller, variable_id: UUID) -> VariableRow:
    """Return the row of a variable that the caller may change. Raises VariableNotFound, Forbidden."""
    row = _require_variable(caller, variable_id)
    _require_may_change(caller, UUID(row.workflow_id) if row.workflow_id else None)
    return row


def _require_may_change(caller: Caller, workflow_id: UUID | None) -> None:
    """Raise Forbidden for a plain member, except for variables of a workflow that they may edit."""
    if workflow_id:
        workflows.require(caller, workflow_id, access.EDIT)
    else:
        require_own_entity(caller, NOBODY)
