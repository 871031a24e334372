"""DELETE /v1/workflows/{workflowId}"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import IfMatch, app, handler, no_content
from weconnect.workflows import service
from weconnect.workflows.parameters import PurgeFlag, WorkflowId
from weconnect.workflows.permissions import MayDelete

__all__ = ["handler"]


@app.delete("/v1/workflows/<workflowId>", status_code=204, tags=["Workflows"])
def delete_workflow(
    workflow_id: WorkflowId, caller: MayDelete, if_match: IfMatch = None, purge: PurgeFlag = False
) -> Response[None]:
    """Move a workflow to the trash for 30 days; `purge` ends one that is there."""
    service.delete(caller, workflow_id, if_match, purge=purge)
    return no_content()
