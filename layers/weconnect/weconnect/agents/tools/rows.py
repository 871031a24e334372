"""The rows of agents' tools and the keys that they are found by."""

from uuid import UUID

from pynamodb.attributes import NumberAttribute, UnicodeAttribute

from weconnect.agents.rows import child
from weconnect.agents.tools.entities import AIAgentTool
from weconnect.db.table import Row, key


class ToolRow(Row, discriminator="AGENTTOOL"):
    """A tool; the API key stands in `sealed_key`, encrypted."""

    entity = AIAgentTool
    usage_count = NumberAttribute(default=0, attr_name="usageCount")
    sealed_key = UnicodeAttribute(null=True, attr_name="sealedKey")
    key_version = NumberAttribute(default=0, attr_name="keyVersion")

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID, tool_id: UUID) -> tuple[str, str]:
        return child(organization_id, agent_id), key("TOOL", tool_id)

    @staticmethod
    def of_agent(organization_id: UUID, agent_id: UUID) -> tuple[str, str]:
        return child(organization_id, agent_id), key("TOOL", "")


class ToolNameRow(Row, discriminator="TOOLNAME"):
    """Marks a tool's name as taken within its agent."""

    @staticmethod
    def at(organization_id: UUID, agent_id: UUID, name: str) -> tuple[str, str]:
        return child(organization_id, agent_id), key("TOOLNAME", name)
