"""GET /v1/workflows/{workflowId}/versions"""

from weconnect.api.pagination import Cursor, Limit, Page
from weconnect.api.resolver import app, handler
from weconnect.workflows.definition import versions
from weconnect.workflows.entities import WorkflowVersionSummary
from weconnect.workflows.parameters import WorkflowId
from weconnect.workflows.permissions import MayRead

__all__ = ["handler"]


@app.get("/v1/workflows/<workflowId>/versions", tags=["Workflows"])
def list_workflow_versions(
    workflow_id: WorkflowId, caller: MayRead, limit: Limit = 25, cursor: Cursor = None
) -> Page[WorkflowVersionSummary]:
    """List a workflow's versions, newest first."""
    return versions.find(caller, workflow_id, limit=limit, cursor=cursor)
