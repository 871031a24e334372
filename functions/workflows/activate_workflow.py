"""POST /v1/workflows/{workflowId}/activate"""

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.workflows.definition import activation
from weconnect.workflows.entities import Activation, Workflow
from weconnect.workflows.parameters import WorkflowId
from weconnect.workflows.permissions import MayUpdate

__all__ = ["handler"]


@app.post("/v1/workflows/<workflowId>/activate", replays=True, tags=["Workflows"])
def activate_workflow(
    workflow_id: WorkflowId, caller: MayUpdate, body: Activation | None = None, if_match: IfMatch = None
) -> Workflow:
    """Activate a version of a workflow.

    New executions use it: the version with `number`, else the newest.
    """
    return activation.activate(caller, workflow_id, body or Activation(), if_match)
