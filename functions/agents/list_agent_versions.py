"""GET /v1/agents/{agentId}/versions"""

from weconnect.agents import publication
from weconnect.agents.entities import AgentVersionSummary
from weconnect.agents.parameters import AgentId
from weconnect.agents.permissions import AgentsRead
from weconnect.api.pagination import Cursor, Limit, Page
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.get("/v1/agents/<agentId>/versions", tags=["Agents"])
def list_agent_versions(
    agent_id: AgentId, caller: AgentsRead, limit: Limit = 25, cursor: Cursor = None
) -> Page[AgentVersionSummary]:
    """List an agent's versions, newest first."""
    return publication.find(caller, agent_id, limit=limit, cursor=cursor)
