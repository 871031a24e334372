"""GET /v1/executions/{executionId}/nodes"""

from weconnect.executions import reading
from weconnect.executions.parameters import ExecutionId
from weconnect.executions.permissions import ExecutionsRead
from weconnect.executions.reading import NodeExecutions
from weconnect.http import app, handler

__all__ = ["handler"]


@app.get("/v1/executions/<executionId>/nodes", tags=["Executions"])
def list_node_executions(execution_id: ExecutionId, caller: ExecutionsRead) -> NodeExecutions:
    """List a run's node runs, in order."""
    return reading.nodes(caller, execution_id)
