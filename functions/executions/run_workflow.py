"""Durable function: one execution of a workflow. The durable execution's name has the organization's and its id."""

from typing import Any
from uuid import UUID

from aws_durable_execution_sdk_python import DurableContext, durable_execution

from weconnect.durable.steps import DurableSteps
from weconnect.workflows.engine.execution_loop import run_workflow
from weconnect.workflows.executions.rows import ExecutionKey


@durable_execution
def handler(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    """Execute a workflow; the event is `{"organizationId": …, "executionId": …}`."""
    execution_key = ExecutionKey(UUID(event["organizationId"]), UUID(event["executionId"]))
    return run_workflow(
        DurableSteps(context, execution_key.organization_id, execution_key.execution_id), execution_key
    )
