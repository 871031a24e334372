"""GET /v1/executions"""

from weconnect.api.pagination import Cursor, Limit, Page
from weconnect.api.resolver import app, handler
from weconnect.executions.permissions import ExecutionsRead
from weconnect.workflows.executions import service
from weconnect.workflows.executions.entities import Execution
from weconnect.workflows.executions.parameters import (
    AfterFilter,
    BeforeFilter,
    ModeFilter,
    StatusFilter,
    WorkflowFilter,
)

__all__ = ["handler"]


@app.get("/v1/executions", tags=["Executions"])
def list_executions(
    caller: ExecutionsRead,
    limit: Limit = 25,
    cursor: Cursor = None,
    workflow_id: WorkflowFilter = None,
    status: StatusFilter = None,
    mode: ModeFilter = None,
    after: AfterFilter = None,
    before: BeforeFilter = None,
) -> Page[Execution]:
    """List workflow executions, newest first."""
    return service.find(
        caller,
        limit=limit,
        cursor=cursor,
        workflow_id=workflow_id,
        status=status,
        mode=mode,
        after=after,
        before=before,
    )
