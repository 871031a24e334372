"""POST /v1/workflows/{workflowId}/shares"""

from weconnect.api.resolver import app, handler
from weconnect.workflows.parameters import WorkflowId
from weconnect.workflows.permissions import MayUpdate
from weconnect.workflows.sharing import service
from weconnect.workflows.sharing.entities import CreatedWorkflowShare, NewWorkflowShare

__all__ = ["handler"]


@app.post("/v1/workflows/<workflowId>/shares", status_code=201, secret=True, tags=["Workflows"])
def create_workflow_share(
    workflow_id: WorkflowId, body: NewWorkflowShare, caller: MayUpdate
) -> CreatedWorkflowShare:
    """Share a workflow with a member, a role, or by a link to view it; a link's token is shown once."""
    return service.create(caller, workflow_id, body)
