"""Durable function: one run of an agent. Started with the run's id as its execution name."""

from typing import Any
from uuid import UUID

from aws_durable_execution_sdk_python import DurableContext, durable_execution

from weconnect.agents.engine.loop import run_agent
from weconnect.agents.engine.run_context import Run
from weconnect.durable import DurableSteps


@durable_execution
def handler(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    """Carry the run `{organizationId, agentId, executionId}` to its end."""
    run = Run(UUID(event["organizationId"]), UUID(event["agentId"]), UUID(event["executionId"]))
    ended = run_agent(DurableSteps(context, run.organization_id, run.id), run)
    return {"status": ended["status"]}
