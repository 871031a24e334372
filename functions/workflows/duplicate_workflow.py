"""POST /v1/workflows/{workflowId}/duplicate"""

from weconnect.api.resolver import app, handler
from weconnect.workflows.definition import import_export
from weconnect.workflows.entities import Workflow
from weconnect.workflows.parameters import WorkflowId
from weconnect.workflows.permissions import WorkflowsCreate

__all__ = ["handler"]


@app.post(
    "/v1/workflows/<workflowId>/duplicate",
    status_code=201,
    replays=True,
    location="/v1/workflows/{id}",
    tags=["Workflows"],
)
def duplicate_workflow(workflow_id: WorkflowId, caller: WorkflowsCreate) -> Workflow:
    """Duplicate a workflow as a draft."""
    return import_export.duplicate(caller, workflow_id)
