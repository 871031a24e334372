"""PATCH /v1/workflows/{workflowId}"""

from weconnect.api.resolver import IfMatch, app, handler
from weconnect.workflows import service
from weconnect.workflows.entities import Workflow, WorkflowChanges
from weconnect.workflows.parameters import WorkflowId
from weconnect.workflows.permissions import MayUpdate

__all__ = ["handler"]


@app.patch("/v1/workflows/<workflowId>", tags=["Workflows"])
def update_workflow(
    workflow_id: WorkflowId, body: WorkflowChanges, caller: MayUpdate, if_match: IfMatch = None
) -> Workflow:
    """Change a workflow; settings, nodes or connections make a new version."""
    return service.update(caller, workflow_id, body, if_match)
