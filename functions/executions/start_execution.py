"""POST /v1/workflows/{workflowId}/executions"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import PreferWait, app, handler
from weconnect.executions import starting
from weconnect.executions.entities import Execution, NewWorkflowExecution
from weconnect.executions.parameters import accepted
from weconnect.workflows.parameters import WorkflowId
from weconnect.workflows.permissions import MayExecute

__all__ = ["handler"]


@app.post("/v1/workflows/<workflowId>/executions", status_code=202, tags=["Workflows"])
def start_execution(
    workflow_id: WorkflowId,
    caller: MayExecute,
    body: NewWorkflowExecution | None = None,
    prefer: PreferWait = 0,
) -> Response[Execution]:
    """Run a workflow: 202 with the run, or 200 when it ended within `Prefer: wait=N`."""
    return accepted(starting.start(caller, workflow_id, body or NewWorkflowExecution(), prefer), prefer)
