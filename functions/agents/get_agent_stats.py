"""GET /v1/agents/{agentId}/stats"""

from weconnect.agents import statistics
from weconnect.agents.entities import AgentStats
from weconnect.agents.parameters import AgentId
from weconnect.agents.permissions import AgentsRead
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.get("/v1/agents/<agentId>/stats", tags=["Agents"])
def get_agent_stats(agent_id: AgentId, caller: AgentsRead) -> AgentStats:
    """Get statistics of an agent.

    Counts its executions by status, with their tokens, cost and durations.
    """
    return statistics.load_statistics(caller, agent_id)
