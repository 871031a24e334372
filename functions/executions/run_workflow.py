"""Durable function: one run of a workflow. Started with a name of the run's organization and id."""

from typing import Any
from uuid import UUID

from aws_durable_execution_sdk_python import DurableContext, durable_execution

from weconnect.durable import DurableSteps
from weconnect.executions.lifecycle import Place
from weconnect.workflows.engine.execution_loop import run_workflow


@durable_execution
def handler(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    """Carry the run `{organizationId, executionId}` to its end."""
    place = Place(UUID(event["organizationId"]), UUID(event["executionId"]))
    return run_workflow(DurableSteps(context, place.organization_id, place.id), place)
