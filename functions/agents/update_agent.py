"""PATCH /v1/agents/{agentId}"""

from weconnect.agents import service
from weconnect.agents.entities import AIAgent, AIAgentChanges
from weconnect.agents.parameters import AgentId
from weconnect.agents.permissions import AgentsUpdate
from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.patch("/v1/agents/<agentId>", takes_document=True, tags=["Agents"])
def update_agent(
    agent_id: AgentId, body: AIAgentChanges, caller: AgentsUpdate, if_match: IfMatch = None
) -> AIAgent:
    """Update an agent.

    A change of its definition creates a new version.
    """
    return service.update(caller, agent_id, body, if_match)
