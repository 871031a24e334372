"""On whose behalf a tool is called."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class ToolContext:
    """`call_key` stays the same when a call is repeated after a crash."""

    organization_id: UUID
    agent_id: UUID
    user_id: UUID
    execution_id: UUID | None
    call_key: str
