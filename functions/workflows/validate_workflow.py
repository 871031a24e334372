"""POST /v1/workflows/{workflowId}/validate"""

from weconnect.api.resolver import app, handler
from weconnect.workflows.definition import validation
from weconnect.workflows.entities import Validation, WorkflowDefinition
from weconnect.workflows.parameters import WorkflowId
from weconnect.workflows.permissions import MayRead

__all__ = ["handler"]


@app.post(
    "/v1/workflows/<workflowId>/validate",
    replays=True,
    reads_only=True,
    takes_document=True,
    tags=["Workflows"],
)
def validate_workflow(
    workflow_id: WorkflowId, caller: MayRead, body: WorkflowDefinition | None = None
) -> Validation:
    """Validate a workflow.

    Checks the newest saved definition, or the one in the body.
    """
    return validation.validate(caller, workflow_id, body)
