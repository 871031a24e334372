"""GET /v1/workflows/{workflowId}/shares"""

from weconnect.api.pagination import Cursor, Limit, Page
from weconnect.api.resolver import app, handler
from weconnect.workflows.parameters import WorkflowId
from weconnect.workflows.permissions import MayRead
from weconnect.workflows.sharing import service
from weconnect.workflows.sharing.entities import WorkflowShare

__all__ = ["handler"]


@app.get("/v1/workflows/<workflowId>/shares", tags=["Workflow shares"])
def list_workflow_shares(
    workflow_id: WorkflowId, caller: MayRead, limit: Limit = 25, cursor: Cursor = None
) -> Page[WorkflowShare]:
    """List the shares and links of a workflow."""
    return service.find(caller, workflow_id, limit=limit, cursor=cursor)
