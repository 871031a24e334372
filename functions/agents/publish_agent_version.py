"""POST /v1/agents/{agentId}/versions/{version}/publish"""

from weconnect.agents import publication
from weconnect.agents.entities import AIAgent
from weconnect.agents.parameters import AgentId, VersionNumber
from weconnect.agents.permissions import AgentsUpdate
from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.post("/v1/agents/<agentId>/versions/<version>/publish", replays=True, tags=["Agents"])
def publish_agent_version(
    agent_id: AgentId, version: VersionNumber, caller: AgentsUpdate, if_match: IfMatch = None
) -> AIAgent:
    """Publish a version of an agent.

    Executions use the published version, whatever is changed later.

    `If-Match` takes the agent's ETag. `PATCH` of the agent with `{"publishedVersion": null}` makes executions use the
    newest version again.
    """
    return publication.publish(caller, agent_id, version, if_match)
