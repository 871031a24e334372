"""POST /v1/executions/{executionId}/retry"""

from weconnect.executions import starting
from weconnect.executions.entities import Execution, Retry
from weconnect.executions.parameters import ExecutionId
from weconnect.executions.permissions import ExecutionsUpdate
from weconnect.http import app, handler

__all__ = ["handler"]


@app.post("/v1/executions/<executionId>/retry", status_code=202, tags=["Executions"])
def retry_execution(execution_id: ExecutionId, body: Retry, caller: ExecutionsUpdate) -> Execution:
    """Run again, from the start or with what had ended well kept."""
    return starting.retry(caller, execution_id, body)
