"""GET /v1/agents/{agentId}"""

from weconnect.agents import service
from weconnect.agents.entities import AIAgent
from weconnect.agents.parameters import AgentId
from weconnect.agents.permissions import AgentsRead
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.get("/v1/agents/<agentId>", tags=["Agents"])
def get_agent(agent_id: AgentId, caller: AgentsRead) -> AIAgent:
    """Get an agent."""
    return service.get(caller, agent_id)
