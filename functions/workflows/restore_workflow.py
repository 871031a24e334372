"""POST /v1/workflows/{workflowId}/restore"""

from weconnect.api.resolver import app, handler
from weconnect.workflows import service
from weconnect.workflows.entities import Workflow
from weconnect.workflows.parameters import WorkflowId
from weconnect.workflows.permissions import WorkflowsDelete

__all__ = ["handler"]


@app.post("/v1/workflows/<workflowId>/restore", tags=["Workflows"])
def restore_workflow(workflow_id: WorkflowId, caller: WorkflowsDelete) -> Workflow:
    """Bring a workflow back from the trash, inactive."""
    return service.restore(caller, workflow_id)
