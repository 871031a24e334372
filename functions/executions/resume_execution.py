"""POST /v1/executions/{executionId}/resume"""

from weconnect.api.resolver import app, handler
from weconnect.executions import service
from weconnect.executions.entities import Execution
from weconnect.executions.parameters import ExecutionId
from weconnect.executions.permissions import ExecutionsUpdate

__all__ = ["handler"]


@app.post("/v1/executions/<executionId>/resume", replays=True, tags=["Executions"])
def resume_execution(execution_id: ExecutionId, caller: ExecutionsUpdate) -> Execution:
    """Resume a paused execution."""
    return service.resume(caller, execution_id)
