"""memory_save: lets an agent remember something."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from weconnect.workflows.node_sdk.node_type import Call, NodeError, NodeType, Outputs, Parameters


class MemorySaveParameters(Parameters):
    agent_id: UUID
    """Whose memory."""
    content: Annotated[str, Field(min_length=1, max_length=20_000)]
    key: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    """The same key again replaces what was remembered under it."""
    tags: Annotated[list[Annotated[str, Field(min_length=1, max_length=100)]], Field(max_length=50)] = []


def run(call: Call) -> Outputs:
    """`{"decision", "id", "content"}` for each item: saving the same again changes nothing."""
    from weconnect.agents.tools import memory_tools
    from weconnect.agents.tools.errors import ToolError
    from weconnect.workflows.node_sdk.agent_calls import context_of

    found = []
    for parameters, _, key in call.effects(MemorySaveParameters):
        arguments = parameters.model_dump(exclude={"agent_id"}, exclude_none=True)
        try:
            found.append(memory_tools.run_save(arguments, context_of(call, parameters.agent_id, key)))
        except ToolError as error:
            raise NodeError("invalid_parameters", str(error)) from error
    return {"main": found}


NODE = NodeType(
    label="Save to memory",
    description="Lets an agent remember something.",
    category="ai",
    kind="effect",
    parameters=MemorySaveParameters,
    run=run,
)
