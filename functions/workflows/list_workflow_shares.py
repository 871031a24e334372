"""GET /v1/workflows/{workflowId}/shares"""

from weconnect.http import app, handler
from weconnect.pages import Cursor, Limit, Page
from weconnect.workflows.parameters import WorkflowId
from weconnect.workflows.permissions import MayRead
from weconnect.workflows.shares import service
from weconnect.workflows.shares.entities import WorkflowShare

__all__ = ["handler"]


@app.get("/v1/workflows/<workflowId>/shares", tags=["Workflows"])
def list_workflow_shares(
    workflow_id: WorkflowId, caller: MayRead, limit: Limit = 25, cursor: Cursor = None
) -> Page[WorkflowShare]:
    """List with whom a workflow is shared, and its links."""
    return service.find(caller, workflow_id, limit=limit, cursor=cursor)
