"""POST /v1/executions/{executionId}/pause"""

from weconnect.api.resolver import app, handler
from weconnect.executions.permissions import ExecutionsUpdate
from weconnect.workflows.executions import service
from weconnect.workflows.executions.entities import Execution
from weconnect.workflows.executions.parameters import ExecutionId

__all__ = ["handler"]


@app.post("/v1/executions/<executionId>/pause", replays=True, tags=["Executions"])
def pause_execution(execution_id: ExecutionId, caller: ExecutionsUpdate) -> Execution:
    """Pause an execution.

    It is suspended before its next node with an effect, or at once while it waits.
    """
    return service.pause(caller, execution_id)
