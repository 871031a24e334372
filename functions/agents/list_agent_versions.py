"""GET /v1/agents/{agentId}/versions"""

from weconnect.agents import publication
from weconnect.agents.entities import AgentVersionSummary
from weconnect.agents.parameters import AgentId
from weconnect.agents.permissions import AgentsRead
from weconnect.http import app, handler
from weconnect.pages import Cursor, Limit, Page

__all__ = ["handler"]


@app.get("/v1/agents/<agentId>/versions", tags=["AI agents"])
def list_agent_versions(
    agent_id: AgentId, caller: AgentsRead, limit: Limit = 25, cursor: Cursor = None
) -> Page[AgentVersionSummary]:
    """List an agent's versions, newest first."""
    return publication.find(caller, agent_id, limit=limit, cursor=cursor)
