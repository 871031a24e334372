"""agent: executes an agent on each item; each of its model requests and tool calls is a checkpoint."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import (
    FlowContext,
    ItemsByOutput,
    NodeError,
    NodeRun,
    NodeType,
    pass_through,
)

MAX_EXECUTIONS = 20


class AgentParameters(Parameters):
    agent_id: UUID
    """ID of an active agent of the organization."""
    input: Annotated[str, Field(min_length=1, max_length=1_000_000)]
    """Message to the agent."""


def execute(node_run: NodeRun, context: FlowContext) -> ItemsByOutput:
    """Return `{"output", "executionId", "agentId"}` for each item; the executions follow one another."""
    from weconnect.agents.engine import node_calls  # cold start

    effects = node_run.resolve_effects(AgentParameters)
    if len(effects) > MAX_EXECUTIONS:
        text = (
            f"The node got {len(effects)} items; at most {MAX_EXECUTIONS} are allowed. Put a loop around it."
        )
        raise NodeError("too_many_items", text)
    return {
        "main": [
            node_calls.run_agent_for_item(
                node_run, context, effect.parameters.agent_id, effect.parameters.input, index
            )
            for index, effect in enumerate(effects)
        ]
    }


NODE = NodeType(
    label="Agent",
    description="Executes an agent on each item, and returns `output`, `executionId` and `agentId`.",
    category="ai",
    kind="flow",
    starts_executions=True,
    operations=100,
    express=False,
    parameters=AgentParameters,
    run=pass_through,
    execute=execute,
)
