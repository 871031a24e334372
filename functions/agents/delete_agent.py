"""DELETE /v1/agents/{agentId}"""

from aws_lambda_powertools.event_handler import Response

from weconnect.agents import service
from weconnect.agents.parameters import AgentId, PurgeFlag
from weconnect.agents.permissions import AgentsDelete
from weconnect.api.resolver import IfMatch, app, handler, no_content

__all__ = ["handler"]


@app.delete("/v1/agents/<agentId>", status_code=204, tags=["AI agents"])
def delete_agent(
    agent_id: AgentId, caller: AgentsDelete, if_match: IfMatch = None, purge: PurgeFlag = False
) -> Response[None]:
    """Move an agent to the trash for 30 days; `purge` ends one that is there."""
    service.delete(caller, agent_id, if_match, purge=purge)
    return no_content()
