"""GET /v1/agents/{agentId}/executions"""

from weconnect.agents.entities import AIAgentExecution
from weconnect.agents.executions import service
from weconnect.agents.parameters import (
    AfterFilter,
    AgentId,
    BeforeFilter,
    SessionFilter,
    SortOrder,
    StatusFilter,
)
from weconnect.agents.permissions import AgentsRead
from weconnect.api.pagination import Cursor, Limit, Page
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.get("/v1/agents/<agentId>/executions", tags=["Agent executions"])
def list_agent_executions(
    agent_id: AgentId,
    caller: AgentsRead,
    limit: Limit = 25,
    cursor: Cursor = None,
    status: StatusFilter = None,
    session_id: SessionFilter = None,
    after: AfterFilter = None,
    before: BeforeFilter = None,
    sort: SortOrder = "newest",
) -> Page[AIAgentExecution]:
    """List an agent's executions, newest or slowest first."""
    return service.find(
        caller,
        agent_id,
        limit=limit,
        cursor=cursor,
        status=status,
        session_id=session_id,
        after=after,
        before=before,
        sort=sort,
    )
