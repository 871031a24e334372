"""POST /v1/executions/{executionId}/pause"""

from weconnect.api.resolver import app, handler
from weconnect.executions import service
from weconnect.executions.entities import Execution
from weconnect.executions.parameters import ExecutionId
from weconnect.executions.permissions import ExecutionsUpdate

__all__ = ["handler"]


@app.post("/v1/executions/<executionId>/pause", tags=["Executions"])
def pause_execution(execution_id: ExecutionId, caller: ExecutionsUpdate) -> Execution:
    """Hold a run before its next node with an effect, or that waits."""
    return service.pause(caller, execution_id)
