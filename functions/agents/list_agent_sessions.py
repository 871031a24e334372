"""GET /v1/agents/{agentId}/sessions"""

from weconnect.agents.memories import service
from weconnect.agents.memories.entities import AgentSession
from weconnect.agents.parameters import AgentId
from weconnect.agents.permissions import AgentsRead
from weconnect.http import app, handler
from weconnect.pages import Cursor, Limit, Page

__all__ = ["handler"]


@app.get("/v1/agents/<agentId>/sessions", tags=["AI agents"])
def list_agent_sessions(
    agent_id: AgentId, caller: AgentsRead, limit: Limit = 25, cursor: Cursor = None
) -> Page[AgentSession]:
    """List the conversations with an agent, last used first."""
    return service.sessions(caller, agent_id, limit=limit, cursor=cursor)
