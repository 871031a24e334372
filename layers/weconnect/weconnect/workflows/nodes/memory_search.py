"""memory_search: finds what an agent remembers."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from weconnect.workflows.node_sdk.node_type import Call, NodeType, Outputs, Parameters


class MemorySearchParameters(Parameters):
    agent_id: UUID
    """Whose memory."""
    query: Annotated[str, Field(min_length=1, max_length=2_000)]
    limit: Annotated[int, Field(ge=1, le=20)] = 5


def run(call: Call) -> Outputs:
    """An item for each memory, best first: `{"id", "content", "memoryType", "score"}`."""
    from weconnect.agents.tools import memory_tools
    from weconnect.workflows.node_sdk.agent_calls import context_of

    found = []
    for parameters, _, key in call.effects(MemorySearchParameters):
        arguments = parameters.model_dump(exclude={"agent_id"})
        found += memory_tools.run_search(arguments, context_of(call, parameters.agent_id, key))["memories"]
    return {"main": found}


NODE = NodeType(
    label="Search memory",
    description="Finds what an agent remembers.",
    category="ai",
    kind="effect",
    parameters=MemorySearchParameters,
    run=run,
)
