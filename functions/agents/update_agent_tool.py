"""PATCH /v1/agents/{agentId}/tools/{toolId}"""

from weconnect.agents.parameters import AgentId, ToolId
from weconnect.agents.permissions import AgentsUpdate
from weconnect.agents.tools import service
from weconnect.agents.tools.entities import AIAgentTool, AIAgentToolChanges
from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.patch("/v1/agents/<agentId>/tools/<toolId>", takes_document=True, tags=["Agent tools"])
def update_agent_tool(
    agent_id: AgentId,
    tool_id: ToolId,
    body: AIAgentToolChanges,
    caller: AgentsUpdate,
    if_match: IfMatch = None,
) -> AIAgentTool:
    """Update a tool."""
    return service.update(caller, agent_id, tool_id, body, if_match)
