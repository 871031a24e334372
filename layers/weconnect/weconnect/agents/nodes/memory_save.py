"""memory_save: stores a text in an agent's memory."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from weconnect.agents.tools.errors import ToolError
from weconnect.node_sdk.node_parameters import Parameters
from weconnect.node_sdk.node_type import ItemsByOutput, NodeError, NodeRun, NodeType


class MemorySaveParameters(Parameters):
    agent_id: UUID
    """ID of the agent."""
    content: Annotated[str, Field(min_length=1, max_length=20_000)]
    """Text to remember."""
    key: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    """Key of the memory. It replaces an earlier memory with the same key."""
    tags: Annotated[list[Annotated[str, Field(min_length=1, max_length=100)]], Field(max_length=50)] = []
    """Tags of the memory."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return `{"decision", "id", "content"}` for each item. Idempotent: saving the same text twice changes nothing."""
    from weconnect.agents.engine.node_calls import load_tool_context  # cold start
    from weconnect.agents.tools import memory_tools  # cold start

    items = []
    for parameters, _, key in node_run.resolve_effects(MemorySaveParameters):
        arguments = parameters.model_dump(exclude={"agent_id"}, exclude_none=True)
        try:
            items.append(
                memory_tools.run_save(arguments, load_tool_context(node_run, parameters.agent_id, key))
            )
        except ToolError as error:
            raise NodeError("invalid_parameters", str(error)) from error
    return {"main": items}


NODE = NodeType(
    label="Save to memory",
    description="Stores a text in an agent's memory for each item. Returns `decision`, `id` and `content`.",
    category="ai",
    kind="effect",
    parameters=MemorySaveParameters,
    run=run,
)
