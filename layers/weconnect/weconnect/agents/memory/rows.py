"""The rows of agents' memories and the keys that they are found by."""

from typing import Any
from uuid import UUID

from pynamodb.attributes import (
    BinaryAttribute,
    JSONAttribute,
    ListAttribute,
    NumberAttribute,
    UnicodeAttribute,
)

from weconnect.agents.memory.entities import AIAgentMemory
from weconnect.agents.rows import child
from weconnect.db.table import Row, key


class MemoryRow(Row, discriminator="AGENTMEMORY"):
    """A memory. The sort key gives a session's window in one consistent query; gsi1 gives one by its id."""

    entity = AIAgentMemory
    apart = frozenset({"history"})
    content = JSONAttribute()
    terms = JSONAttribute(null=True)  # of its MemoryTermRows

    @staticmethod
    def at(
        organization_id: UUID, agent_id: UUID, memory_type: str, session_id: str | None, memory_id: UUID
    ) -> tuple[str, str]:
        return child(organization_id, agent_id), key("MEMORY", memory_type, session_id or "", memory_id)

    @staticmethod
    def of_type(organization_id: UUID, agent_id: UUID, *parts: str) -> tuple[str, str]:
        """All of a type, or of a type and a session."""
        return child(organization_id, agent_id), key("MEMORY", *parts, "")

    @staticmethod
    def by_id(organization_id: UUID, agent_id: UUID) -> str:
        """gsi1: memories of an agent by id, so newest first."""
        return key("ORG", organization_id, "AGENT", agent_id, "MEMORY")


class MemoryKeyRow(Row, discriminator="MEMORYKEY"):
    """Which memory holds the present value of a key."""

    memory_sk = UnicodeAttribute(attr_name="memorySk")

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID, memory_type: str, name: str) -> tuple[str, str]:
        return child(organization_id, agent_id), key("MEMORYKEY", memory_type, name)


class MemoryHistoryRow(Row, discriminator="MEMORYHISTORY"):
    """What a memory said in its version `number`, until it was corrected."""

    content = JSONAttribute()
    metadata = JSONAttribute()
    changed_at = UnicodeAttribute(attr_name="changedAt")
    changed_by = JSONAttribute(attr_name="changedBy")

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID, memory_id: UUID, number: int) -> tuple[str, str]:
        return child(organization_id, agent_id), key("MEMORYHISTORY", memory_id, f"{number:06}")

    @staticmethod
    def of_memory(organization_id: UUID, agent_id: UUID, memory_id: UUID) -> tuple[str, str]:
        return child(organization_id, agent_id), key("MEMORYHISTORY", memory_id, "")


class VectorRow(Row, discriminator="MEMORYVECTOR"):
    """The vector of a memory, for the table's vector index. It is looked for in its scope alone."""

    embedder = UnicodeAttribute()
    vector_scope = UnicodeAttribute(attr_name="vectorScope")
    vector: ListAttribute[Any] = ListAttribute(of=NumberAttribute)  # type: ignore[arg-type]
    memory_sk = UnicodeAttribute(attr_name="memorySk")

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID, memory_id: UUID) -> tuple[str, str]:
        return child(organization_id, agent_id), key("VECTOR", memory_id)

    @staticmethod
    def scope(organization_id: UUID, agent_id: UUID, embedder: str, *, past: bool = False) -> str:
        """The vector index's HASH: an agent's vectors by one embedder; superseded memories are apart."""
        return key("ORG", organization_id, "AGENT", agent_id, embedder, *(["PAST"] if past else []))


class MemoryTermRow(Row, discriminator="MEMORYTERM"):
    """That a memory has a word which is likely to be rare."""

    memory_sk = UnicodeAttribute(attr_name="memorySk")

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID, term: str, memory_id: UUID) -> tuple[str, str]:
        return child(organization_id, agent_id), key("MEMORYTERM", term, memory_id)

    @staticmethod
    def of_term(organization_id: UUID, agent_id: UUID, term: str) -> tuple[str, str]:
        return child(organization_id, agent_id), key("MEMORYTERM", term, "")


class LexiconRow(Row, discriminator="LEXICON"):
    """What search needs of up to some hundred memories: a full or filling page, or one that was just written."""

    entries = BinaryAttribute(legacy_encoding=False)
    vectors = BinaryAttribute(legacy_encoding=False, null=True)
    held = NumberAttribute()
    before = NumberAttribute(default=0)  # how many stand in earlier pages
    number = NumberAttribute(default=0)  # of a page

    @staticmethod
    def page_at(organization_id: UUID, agent_id: UUID, number: int) -> tuple[str, str]:
        return child(organization_id, agent_id), key("LEXICON", "PAGE", f"{number:06}")

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID, memory_id: UUID, version: int) -> tuple[str, str]:
        """A just written one, which sorts behind all pages."""
        return child(organization_id, agent_id), key("LEXICON", "TAIL", memory_id, f"{version:06}")

    @staticmethod
    def of_agent(organization_id: UUID, agent_id: UUID) -> tuple[str, str]:
        return child(organization_id, agent_id), key("LEXICON", "")

    @staticmethod
    def pages(organization_id: UUID, agent_id: UUID) -> tuple[str, str]:
        return child(organization_id, agent_id), key("LEXICON", "PAGE", "")

    @staticmethod
    def tail(organization_id: UUID, agent_id: UUID) -> tuple[str, str]:
        return child(organization_id, agent_id), key("LEXICON", "TAIL", "")


class AgentSessionRow(Row, discriminator="AGENTSESSION"):
    """A conversation; `turns` and `last_used_at` are moved by its runs."""

    session_id = UnicodeAttribute(attr_name="sessionId")
    turns = NumberAttribute(default=0)
    last_used_at = UnicodeAttribute(attr_name="lastUsedAt")

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID, session_id: str) -> tuple[str, str]:
        return child(organization_id, agent_id), key("SESSION", session_id)

    @staticmethod
    def by_use(organization_id: UUID, agent_id: UUID) -> str:
        """gsi1: sessions of an agent by their last use."""
        return key("ORG", organization_id, "AGENT", agent_id, "SESSIONS")
