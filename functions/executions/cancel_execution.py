"""POST /v1/executions/{executionId}/cancel"""

from weconnect.api.resolver import app, handler
from weconnect.executions.permissions import ExecutionsUpdate
from weconnect.workflows.executions import service
from weconnect.workflows.executions.entities import Execution
from weconnect.workflows.executions.parameters import ExecutionId

__all__ = ["handler"]


@app.post("/v1/executions/<executionId>/cancel", replays=True, tags=["Executions"])
def cancel_execution(execution_id: ExecutionId, caller: ExecutionsUpdate) -> Execution:
    """Cancel an execution.

    It ends at once when it has not started or is waiting, else before its next step.
    """
    return service.cancel(caller, execution_id)
