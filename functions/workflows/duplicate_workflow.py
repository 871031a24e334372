"""POST /v1/workflows/{workflowId}/duplicate"""

from weconnect.http import app, handler
from weconnect.workflows import transfer
from weconnect.workflows.entities import Workflow
from weconnect.workflows.parameters import WorkflowId
from weconnect.workflows.permissions import WorkflowsCreate

__all__ = ["handler"]


@app.post("/v1/workflows/<workflowId>/duplicate", status_code=201, tags=["Workflows"])
def duplicate_workflow(workflow_id: WorkflowId, caller: WorkflowsCreate) -> Workflow:
    """Copy a workflow as a draft."""
    return transfer.duplicate(caller, workflow_id)
