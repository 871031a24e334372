"""Error workflows: executed when an execution of a workflow that names one has failed."""

from typing import Any
from uuid import UUID

from weconnect import ids
from weconnect.db import table
from weconnect.errors import Problem
from weconnect.executions.requests import StartExecution
from weconnect.executions.rows import DeletedExecutionRow
from weconnect.executions.start import start
from weconnect.log import logger
from weconnect.workflows.executions.conversion import to_execution
from weconnect.workflows.executions.rows import WorkflowExecutionRow


def start_for(failed: WorkflowExecutionRow) -> None:
    """Start the error workflow of an execution that has failed, if it has one. Idempotent.

    One that cannot be started is logged.
    """
    if not failed.error_workflow_id:
        return
    organization_id = UUID(failed.organization_id)
    execution_id = ids.derived_from(UUID(failed.id), "error workflow")
    if table.get(DeletedExecutionRow, DeletedExecutionRow.at(organization_id, execution_id)):
        return
    request = StartExecution(
        kind="workflow",
        organization_id=organization_id,
        target_id=UUID(failed.error_workflow_id),
        execution_id=execution_id,
        user_id=UUID(failed.user_id),
        input=_describe(failed),
        mode="event",
        retention_days=failed.retention_days,
        depth=int(failed.depth or 0),
        failed=failed,
    )
    try:
        start(request)
    except Problem as problem:
        if problem.status >= 500:
            raise  # it may succeed when this is repeated
        logger.warning("error workflow not started", execution_id=failed.id, problem=problem.code)


def _describe(failed: WorkflowExecutionRow) -> dict[str, Any]:
    """Return the input of the error workflow."""
    return {
        "executionId": failed.id,
        "workflowId": failed.workflow_id,
        "workflowName": failed.workflow_name,
        "workflowVersion": failed.workflow_version,
        "status": failed.status,
        "error": to_execution(failed, with_values=False).to_json_dict().get("error"),
    }
