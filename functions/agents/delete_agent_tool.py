"""DELETE /v1/agents/{agentId}/tools/{toolId}"""

from aws_lambda_powertools.event_handler import Response

from weconnect.agents.parameters import AgentId, ToolId
from weconnect.agents.permissions import AgentsUpdate
from weconnect.agents.tools import service
from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content

__all__ = ["handler"]


@app.delete("/v1/agents/<agentId>/tools/<toolId>", status_code=204, tags=["Agent tools"])
def delete_agent_tool(
    agent_id: AgentId, tool_id: ToolId, caller: AgentsUpdate, if_match: IfMatch = None
) -> Response[None]:
    """Remove a tool from an agent."""
    service.delete(caller, agent_id, tool_id, if_match)
    return no_content()
