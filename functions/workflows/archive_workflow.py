"""POST /v1/workflows/{workflowId}/archive"""

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.workflows.definition import activation
from weconnect.workflows.entities import Workflow
from weconnect.workflows.parameters import WorkflowId
from weconnect.workflows.permissions import MayUpdate

__all__ = ["handler"]


@app.post("/v1/workflows/<workflowId>/archive", replays=True, tags=["Workflows"])
def archive_workflow(workflow_id: WorkflowId, caller: MayUpdate, if_match: IfMatch = None) -> Workflow:
    """Archive a workflow.

    An archived workflow can be read and duplicated, but neither changed nor executed.
    """
    return activation.archive(caller, workflow_id, if_match)
