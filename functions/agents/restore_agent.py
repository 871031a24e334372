"""POST /v1/agents/{agentId}/restore"""

from weconnect.agents import service
from weconnect.agents.entities import AIAgent
from weconnect.agents.parameters import AgentId
from weconnect.agents.permissions import AgentsDelete
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.post("/v1/agents/<agentId>/restore", tags=["AI agents"])
def restore_agent(agent_id: AgentId, caller: AgentsDelete) -> AIAgent:
    """Bring an agent back from the trash."""
    return service.restore(caller, agent_id)
