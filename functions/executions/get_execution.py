"""GET /v1/executions/{executionId}"""

from weconnect.api.resolver import app, handler
from weconnect.executions.permissions import ExecutionsRead
from weconnect.workflows.executions import service
from weconnect.workflows.executions.entities import ExecutionWithNodes
from weconnect.workflows.executions.parameters import ExecutionId

__all__ = ["handler"]


@app.get("/v1/executions/<executionId>", tags=["Executions"])
def get_execution(execution_id: ExecutionId, caller: ExecutionsRead) -> ExecutionWithNodes:
    """Get an execution with a summary of each node run."""
    return service.get(caller, execution_id)
