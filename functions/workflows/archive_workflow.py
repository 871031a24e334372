"""POST /v1/workflows/{workflowId}/archive"""

from weconnect.api.resolver import IfMatch, app, handler
from weconnect.workflows.definition import activation
from weconnect.workflows.entities import Workflow
from weconnect.workflows.parameters import WorkflowId
from weconnect.workflows.permissions import MayUpdate

__all__ = ["handler"]


@app.post("/v1/workflows/<workflowId>/archive", tags=["Workflows"])
def archive_workflow(workflow_id: WorkflowId, caller: MayUpdate, if_match: IfMatch = None) -> Workflow:
    """Put a workflow away: it can be read and copied, and neither changed nor run."""
    return activation.archive(caller, workflow_id, if_match)
