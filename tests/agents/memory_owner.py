"""An owner of memories for tests below the routes."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from weconnect.agents.memory import writing
from weconnect.agents.memory.entities import (
    AIAgentMemory,
    MemoryMetadata,
    MemoryWriteResult,
    NewAIAgentMemory,
)


def memory_of(result: MemoryWriteResult) -> AIAgentMemory:
    assert result.memory is not None, result.reason
    return result.memory


@dataclass(frozen=True)
class Owner:
    """An organization, an agent and a user that have no rows: code below the routes needs only their ids."""

    organization_id: UUID = field(default_factory=uuid4)
    agent_id: UUID = field(default_factory=uuid4)
    user_id: UUID = field(default_factory=uuid4)

    @property
    def ids(self) -> tuple[UUID, UUID]:
        return self.organization_id, self.agent_id

    def write(self, content: str, **more: Any) -> MemoryWriteResult:
        """Write a memory; importance, tags and expiry are put into its metadata."""
        metadata_fields = MemoryMetadata.model_fields
        metadata = MemoryMetadata(**{name: more.pop(name) for name in list(more) if name in metadata_fields})
        new = NewAIAgentMemory(content=content, metadata=metadata, **more)
        return writing.write(*self.ids, self.user_id, new, {})
