"""POST /v1/agents/{agentId}/executions"""

from aws_lambda_powertools.event_handler import Response

from weconnect.agents.entities import AIAgentExecution, NewAIAgentExecution
from weconnect.agents.executions import starts
from weconnect.agents.parameters import AgentId, execution_response
from weconnect.agents.permissions import AgentsExecute
from weconnect.api.parameters import PreferWait
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.post(
    "/v1/agents/<agentId>/executions",
    status_code=202,
    replays=True,
    location="/v1/agents/{agentId}/executions/{id}",
    takes_document=True,
    tags=["Agent executions"],
)
def start_agent_execution(
    agent_id: AgentId, body: NewAIAgentExecution, caller: AgentsExecute, prefer: PreferWait = 0
) -> Response[AIAgentExecution]:
    """Execute an agent.

    Returns 202 with the execution, or 200 when it finished within `Prefer: wait=N`.
    """
    return execution_response(starts.start_for_caller(caller, agent_id, body, prefer), prefer)
