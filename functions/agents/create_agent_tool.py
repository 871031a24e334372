"""POST /v1/agents/{agentId}/tools"""

from weconnect.agents.parameters import AgentId
from weconnect.agents.permissions import AgentsUpdate
from weconnect.agents.tools import service
from weconnect.agents.tools.entities import AIAgentTool, NewAIAgentTool
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.post(
    "/v1/agents/<agentId>/tools",
    status_code=201,
    replays=True,
    location="/v1/agents/{agentId}/tools/{id}",
    takes_document=True,
    tags=["Agent tools"],
)
def create_agent_tool(agent_id: AgentId, body: NewAIAgentTool, caller: AgentsUpdate) -> AIAgentTool:
    """Add a tool to an agent."""
    return service.create(caller, agent_id, body)
