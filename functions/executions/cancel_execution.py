"""POST /v1/executions/{executionId}/cancel"""

from weconnect.api.resolver import app, handler
from weconnect.executions import service
from weconnect.executions.entities import Execution
from weconnect.executions.parameters import ExecutionId
from weconnect.executions.permissions import ExecutionsUpdate

__all__ = ["handler"]


@app.post("/v1/executions/<executionId>/cancel", tags=["Executions"])
def cancel_execution(execution_id: ExecutionId, caller: ExecutionsUpdate) -> Execution:
    """Ask a run to stop: at once when it has not begun or waits, else at its next step."""
    return service.cancel(caller, execution_id)
