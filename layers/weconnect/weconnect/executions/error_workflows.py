"""Error workflows: executed when an execution of a workflow that names one has failed."""

from typing import Any
from uuid import UUID

from weconnect import ids
from weconnect.db import table
from weconnect.errors import Conflict, Invalid, NotFound
from weconnect.executions.concurrency import admission
from weconnect.executions.new_executions import build_row, load_active_workflow
from weconnect.executions.rows import DeletedExecutionRow, ExecutionRow
from weconnect.executions.stored_values import count_days_left, to_execution
from weconnect.log import logger


def start_for_error(failed: ExecutionRow) -> list[ExecutionRow]:
    """Start the error workflow of an execution that has failed. Idempotent; one that cannot be started is logged.

    Return the executions that have to be cancelled to make room for it.
    """
    organization_id = UUID(failed.organization_id)
    execution_id = ids.derived_from(UUID(failed.id), "error workflow")
    if table.get(DeletedExecutionRow, DeletedExecutionRow.at(organization_id, execution_id)):
        return []
    try:
        row = _build_row(failed, execution_id)
        stored = admission.store_once(row, admission.load_execution_limit(organization_id))
    except (NotFound, Conflict, Invalid) as problem:
        logger.warning("error workflow not started", execution_id=failed.id, problem=problem.code)
        return []
    admission.invoke(stored.row)
    return stored.to_cancel


def _build_row(failed: ExecutionRow, execution_id: UUID) -> ExecutionRow:
    """Return the row of the error workflow's execution.

    Raises WorkflowNotFound, WorkflowInactive, ConcurrencyKeyFailed, InputTooLarge.
    """
    assert failed.error_workflow_id
    head, version = load_active_workflow(UUID(failed.organization_id), UUID(failed.error_workflow_id))
    settings, value = version.definition.settings, _describe(failed)
    return build_row(
        head,
        version.number,
        execution_id,
        UUID(failed.user_id),
        value,
        count_days_left(failed),
        mode="event",
        settings=settings,
        concurrency=admission.evaluate_concurrency(settings, value),
        parent_execution_id=failed.id,
        handles_error=True,
        depth=int(failed.depth or 0),
    )


def _describe(failed: ExecutionRow) -> dict[str, Any]:
    """Return the input of the error workflow."""
    return {
        "executionId": failed.id,
        "workflowId": failed.workflow_id,
        "workflowName": failed.workflow_name,
        "workflowVersion": failed.workflow_version,
        "status": failed.status,
        "error": to_execution(failed, with_values=False).to_json_dict().get("error"),
    }
