"""Memories of agents, as they are on the wire."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BeforeValidator, Field, StringConstraints

from weconnect.base_entity import Json, Name, TenantEntity, Wire, up_to

HISTORY_SHOWN = 50
SessionId = Annotated[str, up_to(100)]


def _no_number(value: object) -> object:
    if isinstance(value, int | float):
        raise ValueError("is a number and no RFC 3339 time")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_no_number)]


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
    subject: Name | None = Field(
        default=None, description="Whom or what it is about; read from plain statements"
    )
    content: Annotated[str, StringConstraints(min_length=1, max_length=100_000)]
    memory_type: MemoryType = MemoryType.SEMANTIC
    session_id: SessionId | None = None
    metadata: MemoryMetadata = MemoryMetadata()


class AIAgentMemoryChanges(Wire):
    content: Annotated[str, StringConstraints(min_length=1, max_length=100_000)] | None = None
    metadata: MemoryMetadata | None = None


class MemoryChange(Wire):
    """What a memory said before it was corrected at `changed_at`."""

    content: str
    metadata: MemoryMetadata
    changed_at: AwareDatetime
    changed_by: Json = {}


class AIAgentMemory(TenantEntity):
    """A memory. It held from `valid_from` until `valid_to`, when `superseded_by` took its place."""

    agent_id: UUID
    session_id: SessionId | None = None
    memory_type: MemoryType = MemoryType.CONVERSATION
    key: Name
    content: str
    metadata: MemoryMetadata = MemoryMetadata()
    valid_from: AwareDatetime
    valid_to: AwareDatetime | None = None
    superseded_by: UUID | None = None
    subject: Name | None = None
    history: list[MemoryChange] = Field(
        default=[],
        max_length=HISTORY_SHOWN,
        description="The latest corrections; only where one memory is read",
    )

    def holds(self, moment: datetime) -> bool:
        """Whether it was the case then."""
        return self.valid_from <= moment and (self.valid_to is None or moment < self.valid_to)


class MemoryWritten(Wire):
    """What became of a write, and why: `other_id` is what it repeats or supersedes; a rejected one is not kept."""

    decision: Literal["added", "duplicate_of", "supersedes", "rejected"]
    other_id: UUID | None = None
    reason: str
    memory: AIAgentMemory | None = None


class MemorySearch(Wire):
    query: Annotated[str, up_to(2_000)]
    memory_type: MemoryType | None = None
    session_id: SessionId | None = None
    limit: int = Field(default=10, ge=1, le=100)
    as_of: Moment | None = Field(default=None, description="Search what was the case then")
    max_tokens: int | None = Field(
        default=None, ge=1, le=100_000, description="What all hits may have together"
    )


class MemoryHit(Wire):
    """A memory that fits; `reasons` say why it stands where it stands."""

    memory: AIAgentMemory
    score: float
    reasons: list[str]


class MemoryHits(Wire):
    """The hits, best first. `note` says what the search had to do without."""

    items: list[MemoryHit]
    embedder: str = Field(
        default="none", description="Whose likeness was asked beside the words; none: words alone"
    )
    left_out: int = Field(default=0, description="Hits within `limit` that `maxTokens` left no room for")
    note: str | None = None


class SessionErased(Wire):
    deleted: int


class AgentSession(Wire):
    """A conversation with an agent."""

    session_id: str
    turns: int
    created_at: AwareDatetime
    last_used_at: AwareDatetime
