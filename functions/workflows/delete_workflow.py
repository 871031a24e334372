"""DELETE /v1/workflows/{workflowId}"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content
from weconnect.workflows import service
from weconnect.workflows.parameters import PurgeFlag, WorkflowId
from weconnect.workflows.permissions import MayDelete

__all__ = ["handler"]


@app.delete("/v1/workflows/<workflowId>", status_code=204, tags=["Workflows"])
def delete_workflow(
    workflow_id: WorkflowId, caller: MayDelete, if_match: IfMatch = None, purge: PurgeFlag = False
) -> Response[None]:
    """Delete a workflow.

    Moves it to the trash for 30 days. With `purge` a workflow in the trash is deleted for good, with all its data.
    """
    service.delete(caller, workflow_id, if_match, purge=purge)
    return no_content()
