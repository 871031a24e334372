"""POST /v1/workflows/{workflowId}/activate"""

from weconnect.api.resolver import IfMatch, app, handler
from weconnect.workflows.definition import activation
from weconnect.workflows.entities import Activation, Workflow
from weconnect.workflows.parameters import WorkflowId
from weconnect.workflows.permissions import MayUpdate

__all__ = ["handler"]


@app.post("/v1/workflows/<workflowId>/activate", tags=["Workflows"])
def activate_workflow(
    workflow_id: WorkflowId, caller: MayUpdate, body: Activation | None = None, if_match: IfMatch = None
) -> Workflow:
    """Make a version the one that runs: the newest, when none is named."""
    return activation.activate(caller, workflow_id, body or Activation(), if_match)
