"""GET /v1/agents/{agentId}/versions/{version}"""

from weconnect.agents import publication
from weconnect.agents.entities import AgentVersion
from weconnect.agents.parameters import AgentId, VersionNumber
from weconnect.agents.permissions import AgentsRead
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.get("/v1/agents/<agentId>/versions/<version>", tags=["Agents"])
def get_agent_version(agent_id: AgentId, version: VersionNumber, caller: AgentsRead) -> AgentVersion:
    """Get a version of an agent.

    A version is immutable. It includes the tools, without their API keys.
    """
    return publication.get(caller, agent_id, version)
