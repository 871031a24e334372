"""GET /v1/agents/{agentId}/sessions"""

from weconnect.agents.memory import service
from weconnect.agents.memory.entities import AgentSession
from weconnect.agents.parameters import AgentId
from weconnect.agents.permissions import AgentsRead
from weconnect.api.pagination import Cursor, Limit, Page
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.get("/v1/agents/<agentId>/sessions", tags=["Agent memory"])
def list_agent_sessions(
    agent_id: AgentId, caller: AgentsRead, limit: Limit = 25, cursor: Cursor = None
) -> Page[AgentSession]:
    """List an agent's sessions, last used first."""
    return service.list_sessions(caller, agent_id, limit=limit, cursor=cursor)
