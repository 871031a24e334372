"""agent: lets an agent work on each item; every model request and tool call is a checkpoint of its own."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from weconnect.workflows.node_sdk.node_type import (
    Call,
    Carrier,
    NodeError,
    NodeType,
    Outputs,
    Parameters,
    passed,
)

MAX_RUNS = 20


class AgentParameters(Parameters):
    agent_id: UUID
    """An active agent of the organization."""
    input: Annotated[str, Field(min_length=1, max_length=1_000_000)]
    """What the agent is asked."""


def carry(call: Call, carrier: Carrier) -> Outputs:
    """`{"output", "executionId", "agentId"}` for each item, one run of the agent after the other."""
    from weconnect.workflows.node_sdk import agent_calls

    effects = call.effects(AgentParameters)
    if len(effects) > MAX_RUNS:
        raise NodeError("too_many_items", f"At most {MAX_RUNS} items at once for an agent: use a loop")
    return {
        "main": [
            agent_calls.ask(call, carrier, parameters.agent_id, parameters.input, index)
            for index, (parameters, _, _) in enumerate(effects)
        ]
    }


NODE = NodeType(
    label="Agent",
    description="Lets an agent work on each item, as a run of its own that is kept with the agent's runs.",
    category="ai",
    kind="flow",
    operations=100,
    express=False,
    parameters=AgentParameters,
    run=passed,
    carry=carry,
)
