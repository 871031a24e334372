"""POST /v1/workflows/{workflowId}/executions"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.parameters import PreferWait
from weconnect.api.resolver import app, handler
from weconnect.workflows.executions import starts
from weconnect.workflows.executions.entities import Execution, NewWorkflowExecution
from weconnect.workflows.executions.parameters import build_started_response
from weconnect.workflows.parameters import WorkflowId
from weconnect.workflows.permissions import MayExecute

__all__ = ["handler"]


@app.post(
    "/v1/workflows/<workflowId>/executions",
    status_code=202,
    replays=True,
    takes_document=True,
    tags=["Executions"],
)
def start_execution(
    workflow_id: WorkflowId,
    caller: MayExecute,
    body: NewWorkflowExecution | None = None,
    prefer: PreferWait = 0,
) -> Response[Execution]:
    """Execute a workflow.

    Returns 202 with the execution, or 200 when it finished within `Prefer: wait=N`.
    """
    return build_started_response(
        starts.start_for_caller(caller, workflow_id, body or NewWorkflowExecution(), prefer), prefer
    )
