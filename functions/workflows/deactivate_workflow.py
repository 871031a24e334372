"""POST /v1/workflows/{workflowId}/deactivate"""

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.workflows.definition import activation
from weconnect.workflows.entities import Workflow
from weconnect.workflows.parameters import WorkflowId
from weconnect.workflows.permissions import MayUpdate

__all__ = ["handler"]


@app.post("/v1/workflows/<workflowId>/deactivate", replays=True, tags=["Workflows"])
def deactivate_workflow(workflow_id: WorkflowId, caller: MayUpdate, if_match: IfMatch = None) -> Workflow:
    """Deactivate a workflow.

    No new executions start. Also takes a workflow out of the archive.
    """
    return activation.deactivate(caller, workflow_id, if_match)
