"""GET /v1/agents"""

from weconnect.agents import service
from weconnect.agents.entities import AIAgentSummary
from weconnect.agents.parameters import (
    DeletedFilter,
    IsActiveFilter,
    ModelFilter,
    ProviderFilter,
    SearchFilter,
)
from weconnect.agents.permissions import AgentsRead
from weconnect.api.pagination import Cursor, Limit, Page
from weconnect.api.resolver import app, handler

__all__ = ["handler"]


@app.get("/v1/agents", tags=["Agents"])
def list_agents(
    caller: AgentsRead,
    limit: Limit = 25,
    cursor: Cursor = None,
    provider: ProviderFilter = None,
    model: ModelFilter = None,
    is_active: IsActiveFilter = None,
    search: SearchFilter = None,
    deleted: DeletedFilter = False,
) -> Page[AIAgentSummary]:
    """List agents, newest first."""
    return service.find(
        caller,
        limit=limit,
        cursor=cursor,
        provider=provider,
        model=model,
        is_active=is_active,
        search=search,
        deleted=deleted,
    )
