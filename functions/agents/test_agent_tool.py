"""POST /v1/agents/{agentId}/tools/{toolId}/test"""

from weconnect.agents.engine import standalone_calls
from weconnect.agents.parameters import AgentId, ToolId
from weconnect.agents.permissions import AgentsExecute
from weconnect.agents.tools.entities import AgentToolTest, AgentToolTestResult
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.post("/v1/agents/<agentId>/tools/<toolId>/test", replays=True, takes_document=True, tags=["Agent tools"])
def test_agent_tool(
    agent_id: AgentId, tool_id: ToolId, body: AgentToolTest, caller: AgentsExecute
) -> AgentToolTestResult:
    """Call a tool once with the given arguments."""
    return standalone_calls.test_tool(caller, agent_id, tool_id, body)
