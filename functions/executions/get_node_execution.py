"""GET /v1/executions/{executionId}/nodes/{nodeExecutionId}"""

from weconnect.api.resolver import app, handler
from weconnect.executions.permissions import ExecutionsRead
from weconnect.workflows.executions import history
from weconnect.workflows.executions.entities import NodeExecution
from weconnect.workflows.executions.parameters import ExecutionId, NodeExecutionId

__all__ = ["handler"]


@app.get("/v1/executions/<executionId>/nodes/<nodeExecutionId>", tags=["Executions"])
def get_node_execution(
    execution_id: ExecutionId, node_execution_id: NodeExecutionId, caller: ExecutionsRead
) -> NodeExecution:
    """Get a node run with its whole input and output."""
    return history.get_node(caller, execution_id, node_execution_id)
