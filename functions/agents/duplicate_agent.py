"""POST /v1/agents/{agentId}/duplicate"""

from weconnect.agents import duplication
from weconnect.agents.entities import AIAgent
from weconnect.agents.parameters import AgentId
from weconnect.agents.permissions import AgentsCreate
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.post(
    "/v1/agents/<agentId>/duplicate",
    status_code=201,
    replays=True,
    location="/v1/agents/{id}",
    tags=["Agents"],
)
def duplicate_agent(agent_id: AgentId, caller: AgentsCreate) -> AIAgent:
    """Duplicate an agent.

    Copies the agent with its tools, without its memories.
    """
    return duplication.duplicate(caller, agent_id)
