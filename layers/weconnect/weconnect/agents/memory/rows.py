"""Rows of agents' memories, and their keys."""

from typing import Any
from uuid import UUID

from pynamodb.attributes import Attribute, ListAttribute, NumberAttribute

from weconnect.agents.memory.entities import AIAgentMemory
from weconnect.agents.rows import agent_partition
from weconnect.db.payloads import StoredText
from weconnect.db.table import EntityRow, Row, key, stored


class MemoryRow(EntityRow[AIAgentMemory], discriminator="AGENTMEMORY"):
    """A memory. The sort key allows one consistent query for a session's window; gsi1 finds a memory by its id."""

    apart = frozenset({"history"})

    id: Attribute[str]
    organization_id: Attribute[str]
    agent_id: Attribute[str]
    session_id: Attribute[str | None]
    memory_type: Attribute[str]
    key: Attribute[str]
    metadata: Attribute[dict[str, Any]]
    valid_from: Attribute[str]
    valid_to: Attribute[str | None]
    superseded_by: Attribute[str | None]
    content: Attribute[StoredText] = stored()
    terms: Attribute[list[str] | None] = stored()  # those with a MemoryTermRow

    @staticmethod
    def at(
        organization_id: UUID, agent_id: UUID, memory_type: str, session_id: str | None, memory_id: UUID
    ) -> tuple[str, str]:
        """Return the key of a memory."""
        return agent_partition(organization_id, agent_id), key(
            "MEMORY", memory_type, session_id or "", memory_id
        )

    @staticmethod
    def of_type(organization_id: UUID, agent_id: UUID, *parts: str) -> tuple[str, str]:
        """Return partition key and sort key prefix of all memories, of one type, or of one type and session."""
        return agent_partition(organization_id, agent_id), key("MEMORY", *parts, "")

    @staticmethod
    def by_id(organization_id: UUID, agent_id: UUID) -> str:
        """Return the gsi1 partition of an agent's memories, whose sort key is their id and so their age."""
        return key("ORG", organization_id, "AGENT", agent_id, "MEMORY")


class MemoryKeyRow(Row, discriminator="MEMORYKEY"):
    """The memory that has the present value of a key."""

    memory_sk: Attribute[str] = stored()

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID, memory_type: str, name: str) -> tuple[str, str]:
        """Return the key of the row for a memory's key, `name`, among memories of a type."""
        return agent_partition(organization_id, agent_id), key("MEMORYKEY", memory_type, name)


class MemoryHistoryRow(Row, discriminator="MEMORYHISTORY"):
    """Content and metadata of a memory in its version `number`, until it was corrected."""

    content: Attribute[StoredText] = stored()
    metadata: Attribute[dict[str, Any]] = stored()
    changed_at: Attribute[str] = stored()
    changed_by: Attribute[dict[str, Any]] = stored()

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID, memory_id: UUID, number: int) -> tuple[str, str]:
        """Return the key of a memory's version."""
        return agent_partition(organization_id, agent_id), key("MEMORYHISTORY", memory_id, f"{number:06}")

    @staticmethod
    def of_memory(organization_id: UUID, agent_id: UUID, memory_id: UUID) -> tuple[str, str]:
        """Return partition key and sort key prefix of a memory's earlier versions."""
        return agent_partition(organization_id, agent_id), key("MEMORYHISTORY", memory_id, "")


class VectorRow(Row, discriminator="MEMORYVECTOR"):
    """The vector of a memory, for the table's vector index, which is searched within one `vector_scope`."""

    embedder: Attribute[str] = stored()
    vector_scope: Attribute[str] = stored()
    vector: ListAttribute[Any] = ListAttribute(of=NumberAttribute)
    memory_sk: Attribute[str] = stored()

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID, memory_id: UUID) -> tuple[str, str]:
        """Return the key of a memory's vector."""
        return agent_partition(organization_id, agent_id), key("VECTOR", memory_id)

    @staticmethod
    def scope(organization_id: UUID, agent_id: UUID, embedder: str, *, superseded: bool = False) -> str:
        """Return the vector index's hash key: an agent and an embedder; superseded memories have their own scope."""
        return key("ORG", organization_id, "AGENT", agent_id, embedder, *(["PAST"] if superseded else []))


class MemoryTermRow(Row, discriminator="MEMORYTERM"):
    """One memory's entry under a word that is likely to be rare."""

    memory_sk: Attribute[str] = stored()

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID, term: str, memory_id: UUID) -> tuple[str, str]:
        """Return the key of a memory's entry under a word."""
        return agent_partition(organization_id, agent_id), key("MEMORYTERM", term, memory_id)

    @staticmethod
    def of_term(organization_id: UUID, agent_id: UUID, term: str) -> tuple[str, str]:
        """Return partition key and sort key prefix of all memories under a word."""
        return agent_partition(organization_id, agent_id), key("MEMORYTERM", term, "")


class LexiconRow(Row, discriminator="LEXICON"):
    """Search entries: a page of several hundred memories, or a tail row of one that was just written.

    `held` is the number of entries, `before` the number of entries in earlier pages, `number` that of the page (0 in
    the tail).
    """

    entries: Attribute[bytes] = stored()
    vectors: Attribute[bytes | None] = stored()
    held: Attribute[int] = stored()
    before: Attribute[int] = stored(default=0)
    number: Attribute[int] = stored(default=0)

    @staticmethod
    def page_at(organization_id: UUID, agent_id: UUID, number: int) -> tuple[str, str]:
        """Return the key of a page by its number, from 1."""
        return agent_partition(organization_id, agent_id), key("LEXICON", "PAGE", f"{number:06}")

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID, memory_id: UUID, version: int) -> tuple[str, str]:
        """Return the key of a tail row, which sorts after all pages."""
        return agent_partition(organization_id, agent_id), key("LEXICON", "TAIL", memory_id, f"{version:06}")

    @staticmethod
    def of_agent(organization_id: UUID, agent_id: UUID) -> tuple[str, str]:
        """Return partition key and sort key prefix of an agent's pages and tail."""
        return agent_partition(organization_id, agent_id), key("LEXICON", "")

    @staticmethod
    def pages(organization_id: UUID, agent_id: UUID) -> tuple[str, str]:
        """Return partition key and sort key prefix of an agent's pages."""
        return agent_partition(organization_id, agent_id), key("LEXICON", "PAGE", "")

    @staticmethod
    def tail(organization_id: UUID, agent_id: UUID) -> tuple[str, str]:
        """Return partition key and sort key prefix of an agent's tail rows."""
        return agent_partition(organization_id, agent_id), key("LEXICON", "TAIL", "")


class AgentSessionRow(Row, discriminator="AGENTSESSION"):
    """A conversation; each of its executions updates `turns` and `last_used_at`."""

    session_id: Attribute[str] = stored()
    turns: Attribute[int] = stored(default=0)
    last_used_at: Attribute[str] = stored()

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID, session_id: str) -> tuple[str, str]:
        """Return the key of a session."""
        return agent_partition(organization_id, agent_id), key("SESSION", session_id)

    @staticmethod
    def by_use(organization_id: UUID, agent_id: UUID) -> str:
        """Return the gsi1 partition of an agent's sessions, sorted by their last use."""
        return key("ORG", organization_id, "AGENT", agent_id, "SESSIONS")
