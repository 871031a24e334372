"""POST /v1/agents/{agentId}/versions/{version}/publish"""

from weconnect.agents import publication
from weconnect.agents.entities import AIAgent
from weconnect.agents.parameters import AgentId, VersionNumber
from weconnect.agents.permissions import AgentsUpdate
from weconnect.api.resolver import IfMatch, app, handler

__all__ = ["handler"]


@app.post("/v1/agents/<agentId>/versions/<version>/publish", tags=["AI agents"])
def publish_agent_version(
    agent_id: AgentId, version: VersionNumber, caller: AgentsUpdate, if_match: IfMatch = None
) -> AIAgent:
    """Make this version the one that runs, whatever is changed after it.

    `If-Match` takes the agent's ETag. `PATCH` of the agent with `{"publishedVersion": null}` lets the newest run again.
    """
    return publication.publish(caller, agent_id, version, if_match)
