"""PATCH /v1/workflows/{workflowId}"""

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.workflows import service
from weconnect.workflows.entities import Workflow, WorkflowChanges
from weconnect.workflows.parameters import WorkflowId
from weconnect.workflows.permissions import MayUpdate

__all__ = ["handler"]


@app.patch("/v1/workflows/<workflowId>", takes_document=True, tags=["Workflows"])
def update_workflow(
    workflow_id: WorkflowId, body: WorkflowChanges, caller: MayUpdate, if_match: IfMatch = None
) -> Workflow:
    """Update a workflow.

    A change of settings, nodes or connections creates a new version.
    """
    return service.update(caller, workflow_id, body, if_match)
