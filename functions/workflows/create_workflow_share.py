"""POST /v1/workflows/{workflowId}/shares"""

from weconnect.api.resolver import app, handler
from weconnect.workflows.parameters import WorkflowId
from weconnect.workflows.permissions import MayUpdate
from weconnect.workflows.sharing import service
from weconnect.workflows.sharing.entities import CreatedWorkflowShare, NewWorkflowShare

__all__ = ["handler"]


@app.post(
    "/v1/workflows/<workflowId>/shares",
    status_code=201,
    returns_secret=True,
    replays=True,
    location="/v1/workflows/{workflowId}/shares/{id}",
    tags=["Workflow shares"],
)
def create_workflow_share(
    workflow_id: WorkflowId, body: NewWorkflowShare, caller: MayUpdate
) -> CreatedWorkflowShare:
    """Share a workflow.

    Shares it with a member, with a role, or by a link for viewing. The response shows a link's token once.
    """
    return service.create(caller, workflow_id, body)
