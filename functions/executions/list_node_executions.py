"""GET /v1/executions/{executionId}/nodes"""

from weconnect.api.resolver import app, handler
from weconnect.executions.permissions import ExecutionsRead
from weconnect.workflows.executions import history
from weconnect.workflows.executions.history import NodeExecutions
from weconnect.workflows.executions.parameters import ExecutionId

__all__ = ["handler"]


@app.get("/v1/executions/<executionId>/nodes", tags=["Executions"])
def list_node_executions(execution_id: ExecutionId, caller: ExecutionsRead) -> NodeExecutions:
    """List the node runs of an execution, in order."""
    return history.list_nodes(caller, execution_id)
