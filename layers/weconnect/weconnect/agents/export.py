"""The agents' part of an organization's export."""

from uuid import UUID

from weconnect.agents import service
from weconnect.agents.memory.rows import MemoryRow
from weconnect.agents.memory.storage import to_memory
from weconnect.agents.rows import AgentRow
from weconnect.agents.tools import service as tools
from weconnect.api.caller import Caller
from weconnect.base_entity import ApiModel, JsonObject
from weconnect.db import table


class ExportedAgent(ApiModel):
    """An agent with its tools and memories; secrets are masked."""

    agent: JsonObject
    tools: list[JsonObject]
    memories: list[JsonObject]


def export_agents(caller: Caller) -> list[JsonObject]:
    """Return every agent of the caller's organization as the JSON of an ExportedAgent."""
    pk, prefix = AgentRow.of_organization(caller.organization_id)
    rows = AgentRow.query(pk, AgentRow.sk.startswith(prefix), consistent_read=True)
    return [_export_agent(caller, UUID(row.id)).to_json_dict() for row in rows]


def _export_agent(caller: Caller, agent_id: UUID) -> ExportedAgent:
    """Return an agent with its tools and its memories that have not expired. Raises AgentNotFound."""
    pk, prefix = MemoryRow.of_type(caller.organization_id, agent_id)
    memories = MemoryRow.query(pk, MemoryRow.sk.startswith(prefix), consistent_read=True)
    return ExportedAgent(
        agent=service.get(caller, agent_id).to_json_dict(),
        tools=[
            row.to_entity(has_api_key=bool(row.sealed_key)).to_json_dict()
            for row in tools.list_rows(caller.organization_id, agent_id)
        ],
        memories=[to_memory(row).to_json_dict() for row in memories if not table.is_expired(row)],
    )
