"""GET /v1/agents/{agentId}/executions/{executionId}"""

from weconnect.agents.entities import AIAgentExecutionWithSteps
from weconnect.agents.executions import service
from weconnect.agents.parameters import AgentId, ExecutionId
from weconnect.agents.permissions import AgentsRead
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.get("/v1/agents/<agentId>/executions/<executionId>", tags=["Agent executions"])
def get_agent_execution(
    agent_id: AgentId, execution_id: ExecutionId, caller: AgentsRead
) -> AIAgentExecutionWithSteps:
    """Get an agent's execution with its steps."""
    return service.get(caller, agent_id, execution_id)
