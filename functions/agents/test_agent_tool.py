"""POST /v1/agents/{agentId}/tools/{toolId}/test"""

from weconnect.agents.parameters import AgentId, ToolId
from weconnect.agents.permissions import AgentsExecute
from weconnect.agents.tools import service
from weconnect.agents.tools.entities import ToolTest, ToolTestResult
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.post("/v1/agents/<agentId>/tools/<toolId>/test", tags=["AI agents"])
def test_agent_tool(
    agent_id: AgentId, tool_id: ToolId, body: ToolTest, caller: AgentsExecute
) -> ToolTestResult:
    """Call a tool once with given arguments."""
    return service.test(caller, agent_id, tool_id, body)
