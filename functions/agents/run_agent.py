"""Durable function: one execution of an agent. The durable execution's name is the execution's id."""

from typing import Any
from uuid import UUID

from aws_durable_execution_sdk_python import DurableContext, durable_execution

import weconnect.models.pydantic_ai_adapter  # noqa: F401  # at the start, which has a whole CPU, not in the first request
from weconnect.agents.engine.execution_context import ExecutionContext
from weconnect.agents.engine.loop import run_agent
from weconnect.durable.steps import DurableSteps


@durable_execution
def handler(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    """Execute an agent; the event is `{"organizationId": …, "agentId": …, "executionId": …}`."""
    execution = ExecutionContext(
        UUID(event["organizationId"]), UUID(event["agentId"]), UUID(event["executionId"])
    )
    steps = DurableSteps(context, execution.organization_id, execution.execution_id)
    return {"status": run_agent(steps, execution).status}
