"""Entities of agents' memory: memories, searches and sessions."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BeforeValidator, Field, StringConstraints

from weconnect.base_entity import ApiModel, JsonObject, Name, TenantEntity, trimmed_text

HISTORY_SHOWN = 50
SessionId = Annotated[str, trimmed_text(100)]


def _reject_number(value: object) -> object:
    """Return a value unchanged. Raises ValueError for a number, which Pydantic would take for Unix seconds."""
    if isinstance(value, int | float):
        raise ValueError("is a number, not an RFC 3339 time")
    return value


Timestamp = Annotated[AwareDatetime, BeforeValidator(_reject_number)]


class MemoryType(StrEnum):
    """Messages of a session, records of executions, facts, or standing instructions."""

    CONVERSATION = "conversation"
    EPISODIC = "episodic"
    SEMANTIC = "semantic"
    PROCEDURAL = "procedural"


class MemoryConfig(ApiModel):
    """Limits of what memory contributes to an execution."""

    window_size: int = Field(default=10, ge=0, le=100, description="Most recent turns of the session")
    max_tokens: int = Field(
        default=2_000, ge=0, le=100_000, description="Tokens of instructions, recalled memories and turns"
    )


class MemoryMetadata(ApiModel):
    """Weight, tags, origin and expiry of a memory."""

    importance: float | None = Field(default=None, ge=0, le=1)
    tags: list[Annotated[str, trimmed_text(100)]] = Field(default=[], max_length=50)
    expires: AwareDatetime | None = None
    source: Annotated[str, trimmed_text(255)] | None = None


class NewAIAgentMemory(ApiModel):
    """A text to remember. `key` identifies the fact: writing the same key again supersedes its present value."""

    key: Name | None = Field(default=None, description="Derived from the content when missing")
    subject: Name | None = Field(
        default=None,
        description="The person or thing that it is about; derived from plain statements when missing",
    )
    content: Annotated[str, StringConstraints(min_length=1, max_length=100_000)]
    memory_type: MemoryType = MemoryType.SEMANTIC
    session_id: SessionId | None = None
    metadata: MemoryMetadata = MemoryMetadata()


class AIAgentMemoryChanges(ApiModel):
    """A correction of a memory. Missing fields stay as they are."""

    content: Annotated[str, StringConstraints(min_length=1, max_length=100_000)] | None = None
    metadata: MemoryMetadata | None = None


class MemoryChange(ApiModel):
    """The content and metadata of a memory before it was corrected at `changed_at`."""

    content: str
    metadata: MemoryMetadata
    changed_at: AwareDatetime
    changed_by: JsonObject = {}


class AIAgentMemory(TenantEntity):
    """A memory of an agent, valid from `valid_from` until `valid_to`, when `superseded_by` replaced it."""

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
        description="The latest corrections; present only when a single memory is read",
    )

    def is_valid_at(self, moment: datetime) -> bool:
        """Return whether the memory was valid at `moment`."""
        return self.valid_from <= moment and (self.valid_to is None or moment < self.valid_to)


class MemoryWriteResult(ApiModel):
    """The decision about a new memory, with its reason.

    `other_id` is the memory that it repeats or supersedes. A rejected one is not stored.
    """

    decision: Literal["added", "duplicate_of", "supersedes", "rejected"]
    other_id: UUID | None = None
    reason: str
    memory: AIAgentMemory | None = None


class MemorySearch(ApiModel):
    """A search in an agent's memories by words and, where vectors are configured, by similarity."""

    query: Annotated[str, trimmed_text(2_000)]
    memory_type: MemoryType | None = None
    session_id: SessionId | None = None
    limit: int = Field(default=10, ge=1, le=100)
    as_of: Timestamp | None = Field(
        default=None, description="Search the memories that were valid at this time"
    )
    max_tokens: int | None = Field(
        default=None, ge=1, le=100_000, description="Upper limit for the tokens of all hits together"
    )


class MemoryHit(ApiModel):
    """A memory that matches the query; `reasons` explain its rank."""

    memory: AIAgentMemory
    score: float
    reasons: list[str]


class MemoryHits(ApiModel):
    """The hits, best first. `note` says which part of the search was unavailable."""

    items: list[MemoryHit]
    embedder: str = Field(
        default="none",
        description="The embedder whose similarity was used besides words; `none` for words alone",
    )
    left_out: int = Field(default=0, description="Hits within `limit` that did not fit into `maxTokens`")
    note: str | None = None


class SessionErasure(ApiModel):
    """The result of erasing a session: the number of deleted memories."""

    deleted: int


class AgentSession(ApiModel):
    """A conversation with an agent."""

    session_id: str
    turns: int
    created_at: AwareDatetime
    last_used_at: AwareDatetime
