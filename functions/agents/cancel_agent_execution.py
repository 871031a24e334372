"""POST /v1/agents/{agentId}/executions/{executionId}/cancel"""

from weconnect.agents.entities import AIAgentExecution
from weconnect.agents.executions import service
from weconnect.agents.parameters import AgentId, ExecutionId
from weconnect.agents.permissions import AgentsExecute
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.post(
    "/v1/agents/<agentId>/executions/<executionId>/cancel",
    status_code=202,
    replays=True,
    location="/v1/agents/{agentId}/executions/{id}",
    tags=["Agent executions"],
)
def cancel_agent_execution(
    agent_id: AgentId, execution_id: ExecutionId, caller: AgentsExecute
) -> AIAgentExecution:
    """Cancel an agent's execution.

    It ends at once when it has not started, else before its next step. Cancelling a finished one returns 409.
    """
    return service.cancel(caller, agent_id, execution_id)
