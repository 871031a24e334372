"""DELETE /v1/workflows/{workflowId}/shares/{shareId}"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import IfMatch, app, handler, no_content
from weconnect.workflows.parameters import ShareId, WorkflowId
from weconnect.workflows.permissions import MayUpdate
from weconnect.workflows.sharing import service

__all__ = ["handler"]


@app.delete("/v1/workflows/<workflowId>/shares/<shareId>", status_code=204, tags=["Workflows"])
def revoke_workflow_share(
    workflow_id: WorkflowId, share_id: ShareId, caller: MayUpdate, if_match: IfMatch = None
) -> Response[None]:
    """Stop sharing, at once."""
    service.revoke(caller, workflow_id, share_id, if_match)
    return no_content()
