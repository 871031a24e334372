"""DELETE /v1/agents/{agentId}"""

from aws_lambda_powertools.event_handler import Response

from weconnect.agents import service
from weconnect.agents.parameters import AgentId, PurgeFlag
from weconnect.agents.permissions import AgentsDelete
from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content

__all__ = ["handler"]


@app.delete("/v1/agents/<agentId>", status_code=204, tags=["Agents"])
def delete_agent(
    agent_id: AgentId, caller: AgentsDelete, if_match: IfMatch = None, purge: PurgeFlag = False
) -> Response[None]:
    """Delete an agent.

    Moves it to the trash for 30 days. With `purge` an agent in the trash is deleted for good, with all its data.
    """
    service.delete(caller, agent_id, if_match, purge=purge)
    return no_content()
