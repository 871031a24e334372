"""POST /v1/agents/{agentId}/executions"""

from aws_lambda_powertools.event_handler import Response

from weconnect.agents.engine import executions
from weconnect.agents.entities import AIAgentExecution, NewExecution
from weconnect.agents.parameters import AgentId, accepted
from weconnect.agents.permissions import AgentsExecute
from weconnect.api.resolver import PreferWait, app, handler

__all__ = ["handler"]


@app.post("/v1/agents/<agentId>/executions", status_code=202, tags=["AI agents"])
def start_agent_execution(
    agent_id: AgentId, body: NewExecution, caller: AgentsExecute, prefer: PreferWait = 0
) -> Response[AIAgentExecution]:
    """Run an agent: 202 with the run, or 200 when it ended within `Prefer: wait=N`."""
    return accepted(executions.wait(caller, executions.start(caller, agent_id, body), prefer), prefer)
