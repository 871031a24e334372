"""GET /v1/agents/{agentId}/tools"""

from weconnect.agents.parameters import AgentId, IsActiveFilter
from weconnect.agents.permissions import AgentsRead
from weconnect.agents.tools import service
from weconnect.agents.tools.entities import AIAgentTool
from weconnect.api.pagination import Cursor, Limit, Page
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.get("/v1/agents/<agentId>/tools", tags=["Agent tools"])
def list_agent_tools(
    agent_id: AgentId,
    caller: AgentsRead,
    limit: Limit = 25,
    cursor: Cursor = None,
    is_active: IsActiveFilter = None,
) -> Page[AIAgentTool]:
    """List an agent's tools, newest first."""
    return service.find(caller, agent_id, limit=limit, cursor=cursor, is_active=is_active)
