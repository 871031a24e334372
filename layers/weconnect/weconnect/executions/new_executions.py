"""The row of an execution that is about to be stored, and the workflow that it executes."""

from typing import Any
from uuid import UUID

from weconnect import clock
from weconnect.db import payloads, table
from weconnect.db.table import Row
from weconnect.executions.entities import Execution, ExecutionMode, ExecutionStatus
from weconnect.executions.errors import InputTooLarge, WorkflowInactive, WorkflowNotFound
from weconnect.executions.rows import ExecutionRow
from weconnect.executions.stored_values import store_value
from weconnect.workflows.definition import stored_versions, validation
from weconnect.workflows.entities import (
    WorkflowDefinition,
    WorkflowSettings,
    WorkflowStatus,
    WorkflowVersion,
)
from weconnect.workflows.rows import WorkflowRow, WorkflowVersionRow

MAX_INPUT_BYTES = 1024 * 1024


def load_active_workflow(organization_id: UUID, workflow_id: UUID) -> tuple[WorkflowRow, WorkflowVersion]:
    """Return an active workflow with its active version. Raises WorkflowNotFound, WorkflowInactive."""
    at = WorkflowRow.at(organization_id, workflow_id)
    copy_at = WorkflowVersionRow.at_active(organization_id, workflow_id)
    rows = table.get_many([at, copy_at])
    head, copy = require_startable(rows.get(at), is_test=False), rows.get(copy_at)
    if not isinstance(copy, WorkflowVersionRow):
        raise WorkflowInactive()
    return head, stored_versions.to_version(organization_id, copy)


def require_definition(
    head: Row | None, copy: Row | None, *, is_test: bool
) -> tuple[WorkflowRow, WorkflowDefinition]:
    """Return the workflow and the definition to execute, from their rows.

    Raises WorkflowNotFound, WorkflowInactive, and for a test Invalid `workflow_invalid`.
    """
    workflow = require_startable(head, is_test=is_test)
    if not isinstance(copy, WorkflowVersionRow):
        raise WorkflowInactive()
    _, definition = stored_versions.unpack_definition(UUID(workflow.organization_id), copy)
    if is_test:
        validation.require_valid(definition)
    return workflow, definition


def require_startable(head: Row | None, *, is_test: bool) -> WorkflowRow:
    """Return the workflow when executions of it may be started: it is active or, for a test, not archived.

    Raises WorkflowNotFound, WorkflowInactive.
    """
    if not isinstance(head, WorkflowRow):
        raise WorkflowNotFound()
    if head.status == WorkflowStatus.ARCHIVED or not (is_test or head.status == WorkflowStatus.ACTIVE):
        raise WorkflowInactive()
    return head


def choose_retention_days(settings: WorkflowSettings, allowed: int) -> int:
    """Return for how many days an execution is kept: as the workflow's settings say, but at most `allowed`."""
    return min(settings.retention_days, allowed) if settings.retention_days and allowed > 0 else allowed


def build_row(
    head: WorkflowRow,
    version_number: int,
    execution_id: UUID,
    user_id: UUID,
    value: Any,
    retention_days: int,
    *,
    mode: ExecutionMode,
    settings: WorkflowSettings,
    is_express: bool = False,
    max_input_bytes: int | None = MAX_INPUT_BYTES,
    **fields: Any,
) -> ExecutionRow:
    """Return the row of an execution that has not begun; an express one is running from the first.

    `value` is its input, stored outside of the row when it is long; `fields` are further fields of the entity or the
    row. Raises InputTooLarge.
    """
    organization_id, moment = UUID(head.organization_id), clock.now()
    status = ExecutionStatus.RUNNING if is_express else ExecutionStatus.PENDING
    entity_fields = {name: fields.pop(name) for name in list(fields) if name in Execution.model_fields}
    execution = Execution(
        id=execution_id,
        created_at=moment,
        updated_at=moment,
        organization_id=organization_id,
        user_id=user_id,
        workflow_id=UUID(head.id),
        workflow_name=head.name,
        workflow_version=version_number,
        status=status,
        mode=mode,
        is_express=is_express,
        started_at=moment if is_express else None,
        **entity_fields,
    )
    text = None
    if value is not None:
        text = store_value(organization_id, execution_id, "input", value, retention_days)
        if max_input_bytes and not isinstance(text, str) and text["bytes"] > max_input_bytes:
            payloads.discard(organization_id, text)
            limit = f"{max_input_bytes >> 20} MB"
            raise InputTooLarge(f"The input exceeds {limit}. Send large data by reference.")
    pk, sk = ExecutionRow.at(organization_id, execution_id)
    error_workflow_id = settings.error_workflow_id
    row_fields: dict[str, Any] = {
        "gsi1pk": ExecutionRow.of_organization(organization_id),
        "gsi1sk": str(execution_id),
        "gsi3pk": ExecutionRow.of_workflow(organization_id, UUID(head.id)),
        "gsi3sk": str(execution_id),
        **ExecutionRow.status_keys(organization_id, execution_id, status, is_express),
        "error_workflow_id": str(error_workflow_id) if error_workflow_id else None,
        "input": text,
    }
    ttl = clock.epoch_seconds() + retention_days * 86_400
    return ExecutionRow.of(execution, pk=pk, sk=sk, ttl=ttl, **(row_fields | fields))
