"""POST /v1/executions/{executionId}/resume"""

from weconnect.api.resolver import app, handler
from weconnect.executions.permissions import ExecutionsUpdate
from weconnect.workflows.executions import service
from weconnect.workflows.executions.entities import Execution
from weconnect.workflows.executions.parameters import ExecutionId

__all__ = ["handler"]


@app.post("/v1/executions/<executionId>/resume", replays=True, tags=["Executions"])
def resume_execution(execution_id: ExecutionId, caller: ExecutionsUpdate) -> Execution:
    """Resume a paused execution."""
    return service.resume(caller, execution_id)
