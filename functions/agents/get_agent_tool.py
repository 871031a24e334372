"""GET /v1/agents/{agentId}/tools/{toolId}"""

from weconnect.agents.parameters import AgentId, ToolId
from weconnect.agents.permissions import AgentsRead
from weconnect.agents.tools import service
from weconnect.agents.tools.entities import AIAgentTool
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.get("/v1/agents/<agentId>/tools/<toolId>", tags=["Agent tools"])
def get_agent_tool(agent_id: AgentId, tool_id: ToolId, caller: AgentsRead) -> AIAgentTool:
    """Get a tool.

    Its API key is never returned.
    """
    return service.get(caller, agent_id, tool_id)
