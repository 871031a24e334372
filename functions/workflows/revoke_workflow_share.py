"""DELETE /v1/workflows/{workflowId}/shares/{shareId}"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content
from weconnect.workflows.parameters import ShareId, WorkflowId
from weconnect.workflows.permissions import MayUpdate
from weconnect.workflows.sharing import service

__all__ = ["handler"]


@app.delete("/v1/workflows/<workflowId>/shares/<shareId>", status_code=204, tags=["Workflow shares"])
def revoke_workflow_share(
    workflow_id: WorkflowId, share_id: ShareId, caller: MayUpdate, if_match: IfMatch = None
) -> Response[None]:
    """Revoke a share at once."""
    service.revoke(caller, workflow_id, share_id, if_match)
    return no_content()
