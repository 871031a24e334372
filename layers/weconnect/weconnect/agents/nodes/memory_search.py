"""memory_search: searches an agent's memory."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import ItemsByOutput, NodeRun, NodeType


class MemorySearchParameters(Parameters):
    agent_id: UUID
    """ID of the agent."""
    query: Annotated[str, Field(min_length=1, max_length=2_000)]
    """Text to search for, by words and by meaning."""
    limit: Annotated[int, Field(ge=1, le=20)] = 5
    """Maximum number of memories."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return an item for each memory, best first: `{"id", "content", "memoryType", "score"}`."""
    from weconnect.agents.engine.node_calls import load_tool_context  # cold start
    from weconnect.agents.tools import memory_tools  # cold start

    items = []
    for parameters, _, key in node_run.resolve_effects(MemorySearchParameters):
        arguments = parameters.model_dump(exclude={"agent_id"})
        items += memory_tools.run_search(arguments, load_tool_context(node_run, parameters.agent_id, key))[
            "memories"
        ]
    return {"main": items}


NODE = NodeType(
    label="Search memory",
    description="Searches an agent's memory. Returns an item for each memory, with `content` and `score`.",
    category="ai",
    kind="effect",
    parameters=MemorySearchParameters,
    run=run,
)
