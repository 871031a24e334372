"""POST /v1/agents/{agentId}/restore"""

from weconnect.agents import service
from weconnect.agents.entities import AIAgent
from weconnect.agents.parameters import AgentId
from weconnect.agents.permissions import AgentsDelete
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.post("/v1/agents/<agentId>/restore", replays=True, tags=["Agents"])
def restore_agent(agent_id: AgentId, caller: AgentsDelete) -> AIAgent:
    """Restore an agent from the trash."""
    return service.restore(caller, agent_id)
