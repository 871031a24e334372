"""The context of a tool call: the agent, the user and the execution that it is made for."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class ToolContext:
    """The agent, user and execution of a tool call. `call_key` is the same when a call is repeated after a crash."""

    organization_id: UUID
    agent_id: UUID
    user_id: UUID
    execution_id: UUID | None
    call_key: str
