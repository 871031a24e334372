"""PATCH /v1/workflows/{workflowId}/shares/{shareId}"""

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.workflows.parameters import ShareId, WorkflowId
from weconnect.workflows.permissions import MayUpdate
from weconnect.workflows.sharing import service
from weconnect.workflows.sharing.entities import WorkflowShare, WorkflowShareChanges

__all__ = ["handler"]


@app.patch("/v1/workflows/<workflowId>/shares/<shareId>", tags=["Workflow shares"])
def update_workflow_share(
    workflow_id: WorkflowId,
    share_id: ShareId,
    body: WorkflowShareChanges,
    caller: MayUpdate,
    if_match: IfMatch = None,
) -> WorkflowShare:
    """Update the level or expiry of a share."""
    return service.update(caller, workflow_id, share_id, body, if_match)
