"""GET /v1/workflows/{workflowId}"""

from weconnect.api.resolver import app, handler
from weconnect.workflows import service
from weconnect.workflows.entities import Workflow
from weconnect.workflows.parameters import WorkflowId
from weconnect.workflows.permissions import MayRead

__all__ = ["handler"]


@app.get("/v1/workflows/<workflowId>", tags=["Workflows"])
def get_workflow(workflow_id: WorkflowId, caller: MayRead) -> Workflow:
    """Get a workflow with its nodes and connections."""
    return service.get(caller, workflow_id)
