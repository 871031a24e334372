"""POST /v1/agents/{agentId}/executions/{executionId}/cancel"""

from weconnect.agents.engine import cancellation
from weconnect.agents.entities import AIAgentExecution
from weconnect.agents.parameters import AgentId, ExecutionId
from weconnect.agents.permissions import AgentsExecute
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.post("/v1/agents/<agentId>/executions/<executionId>/cancel", status_code=202, tags=["AI agents"])
def cancel_agent_execution(
    agent_id: AgentId, execution_id: ExecutionId, caller: AgentsExecute
) -> AIAgentExecution:
    """Stop a run: at once when it has not begun, else before its next step."""
    return cancellation.cancel(caller, agent_id, execution_id)
