"""What tests of memories share: an agent, whom it belongs to, and short words for what is done with it."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from weconnect.agents.memory import writing
from weconnect.agents.memory.entities import MemoryMetadata, MemoryWritten, NewAIAgentMemory


@dataclass(frozen=True)
class Owner:
    """An organization and an agent that are nothing but ids: what is below the routes asks for no more."""

    organization_id: UUID = field(default_factory=uuid4)
    agent_id: UUID = field(default_factory=uuid4)
    user_id: UUID = field(default_factory=uuid4)

    @property
    def ids(self) -> tuple[UUID, UUID]:
        return self.organization_id, self.agent_id

    def write(self, content: str, **more: Any) -> MemoryWritten:
        """Write a memory; importance, tags and expiry go into its metadata."""
        names = MemoryMetadata.model_fields
        metadata = MemoryMetadata(**{name: more.pop(name) for name in list(more) if name in names})
        new = NewAIAgentMemory(content=content, metadata=metadata, **more)
        return writing.write(*self.ids, self.user_id, new, {})
