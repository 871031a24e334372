"""POST /v1/workflows/{workflowId}/restore"""

from weconnect.api.resolver import app, handler
from weconnect.workflows import service
from weconnect.workflows.entities import Workflow
from weconnect.workflows.parameters import WorkflowId
from weconnect.workflows.permissions import WorkflowsDelete

__all__ = ["handler"]


@app.post("/v1/workflows/<workflowId>/restore", replays=True, tags=["Workflows"])
def restore_workflow(workflow_id: WorkflowId, caller: WorkflowsDelete) -> Workflow:
    """Restore a workflow from the trash.

    It is inactive afterwards.
    """
    return service.restore(caller, workflow_id)
