"""The rows of agents' memories and the keys that they are found by."""

from uuid import UUID

from pynamodb.attributes import JSONAttribute, NumberAttribute, UnicodeAttribute

from weconnect.agents.memories.entities import AIAgentMemory
from weconnect.agents.rows import child
from weconnect.table import Row, key


class MemoryRow(Row, discriminator="AGENTMEMORY"):
    """A memory. The sort key gives a session's window in one consistent query; gsi1 gives one by its id."""

    entity = AIAgentMemory
    content = JSONAttribute()

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
