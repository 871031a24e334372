"""GET /v1/workflows"""

from weconnect.api.pagination import Cursor, Limit, Page
from weconnect.api.resolver import app, handler
from weconnect.workflows import service
from weconnect.workflows.entities import WorkflowSummary
from weconnect.workflows.parameters import DeletedFilter, SearchFilter, StatusFilter, TagFilter
from weconnect.workflows.permissions import MayRead

__all__ = ["handler"]


@app.get("/v1/workflows", tags=["Workflows"])
def list_workflows(
    caller: MayRead,
    limit: Limit = 25,
    cursor: Cursor = None,
    status: StatusFilter = None,
    tag: TagFilter = None,
    search: SearchFilter = None,
    deleted: DeletedFilter = False,
) -> Page[WorkflowSummary]:
    """List workflows, newest first."""
    return service.find(
        caller,
        limit=limit,
        cursor=cursor,
        status=status,
        tag=tag,
        search=search,
        deleted=deleted,
    )
