"""The rows of agents' tools, and the keys by which they are read."""

from typing import Any
from uuid import UUID

from pynamodb.attributes import Attribute

from weconnect.agents.rows import agent_partition
from weconnect.agents.tools.entities import AIAgentTool
from weconnect.db.table import EntityRow, Row, key, stored


class AgentToolRow(EntityRow[AIAgentTool], discriminator="AGENTTOOL"):
    """A tool of an agent; its encrypted API key is in `sealed_key`, other secrets of its configuration beside it."""

    tool_name: Attribute[str]
    display_name: Attribute[str]
    description: Attribute[str | None]
    tool_type: Attribute[str]
    configuration: Attribute[dict[str, Any]]
    input_schema: Attribute[dict[str, Any] | None]
    output_schema: Attribute[dict[str, Any] | None]
    requires_approval: Attribute[bool]
    approval: Attribute[dict[str, Any]]
    is_active: Attribute[bool]
    id: Attribute[str]
    organization_id: Attribute[str]
    agent_id: Attribute[str]
    remote: Attribute[dict[str, Any] | None]
    usage_count: Attribute[int] = stored(default=0)
    sealed_key: Attribute[str | None] = stored()
    sealed_secrets: Attribute[str | None] = stored()
    key_version: Attribute[int] = stored(default=0)

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID, tool_id: UUID) -> tuple[str, str]:
        """Return the key of a tool."""
        return agent_partition(organization_id, agent_id), key("TOOL", tool_id)

    @staticmethod
    def of_agent(organization_id: UUID, agent_id: UUID) -> tuple[str, str]:
        """Return partition key and sort key prefix of an agent's tools."""
        return agent_partition(organization_id, agent_id), key("TOOL", "")


class AgentToolNameRow(Row, discriminator="TOOLNAME"):
    """The reservation of a tool's name within its agent."""

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID, name: str) -> tuple[str, str]:
        """Return the key of a tool's name."""
        return agent_partition(organization_id, agent_id), key("TOOLNAME", name)
