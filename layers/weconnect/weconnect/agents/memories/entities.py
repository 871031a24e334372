"""Memories of agents, as they are on the wire."""

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from weconnect.entities import Name, TenantEntity, Wire, up_to

SessionId = Annotated[str, up_to(100)]


class MemoryType(StrEnum):
    CONVERSATION = "conversation"
    EPISODIC = "episodic"
    SEMANTIC = "semantic"
    PROCEDURAL = "procedural"


class MemoryConfig(Wire):
    """How much of a conversation a run sees: its last turns, as far as their tokens fit."""

    window_size: int = Field(default=10, ge=0, le=100, description="Turns")
    max_tokens: int = Field(default=2_000, ge=0, le=100_000)


class MemoryMetadata(Wire):
    importance: float | None = Field(default=None, ge=0, le=1)
    tags: list[Annotated[str, up_to(100)]] = Field(default=[], max_length=50)
    expires: AwareDatetime | None = None
    source: Annotated[str, up_to(255)] | None = None


class NewAIAgentMemory(Wire):
    """Something to remember. `key` names the fact: writing a key again supersedes what was there."""

    key: Name | None = Field(default=None, description="Made from the content when missing")
    content: Annotated[str, StringConstraints(min_length=1, max_length=100_000)]
    memory_type: MemoryType = MemoryType.SEMANTIC
    session_id: SessionId | None = None
    metadata: MemoryMetadata = MemoryMetadata()


class AIAgentMemoryChanges(Wire):
    content: Annotated[str, StringConstraints(min_length=1, max_length=100_000)] | None = None
    metadata: MemoryMetadata | None = None


class AIAgentMemory(TenantEntity):
    agent_id: UUID
    session_id: SessionId | None = None
    memory_type: MemoryType = MemoryType.CONVERSATION
    key: Name
    content: str
    metadata: MemoryMetadata = MemoryMetadata()
    valid_from: AwareDatetime
    valid_to: AwareDatetime | None = None
    superseded_by: UUID | None = None


class MemoryWritten(Wire):
    """What became of a write: `added`, `duplicate_of` an equal one, or `supersedes` an older value of its key."""

    decision: Literal["added", "duplicate_of", "supersedes"]
    other_id: UUID | None = None
    memory: AIAgentMemory


class MemorySearch(Wire):
    query: Annotated[str, up_to(2_000)]
    memory_type: MemoryType | None = None
    session_id: SessionId | None = None
    limit: int = Field(default=10, ge=1, le=100)


class MemoryHit(Wire):
    """A memory that fits; `reasons` say why it stands where it stands."""

    memory: AIAgentMemory
    score: float
    reasons: list[str]


class MemoryHits(Wire):
    items: list[MemoryHit]


class SessionErased(Wire):
    deleted: int


class AgentSession(Wire):
    """A conversation with an agent."""

    session_id: str
    turns: int
    created_at: AwareDatetime
    last_used_at: AwareDatetime
