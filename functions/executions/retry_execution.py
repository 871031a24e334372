"""POST /v1/executions/{executionId}/retry"""

from weconnect.api.resolver import app, handler
from weconnect.executions import starting
from weconnect.executions.entities import Execution, Retry
from weconnect.executions.parameters import ExecutionId
from weconnect.executions.permissions import ExecutionsUpdate

__all__ = ["handler"]


@app.post("/v1/executions/<executionId>/retry", status_code=202, tags=["Executions"])
def retry_execution(
    execution_id: ExecutionId, caller: ExecutionsUpdate, body: Retry | None = None
) -> Execution:
    """Run again, with what had ended well kept, or from the start."""
    return starting.retry(caller, execution_id, body or Retry())
