"""GET /v1/executions/{executionId}/logs"""

from weconnect.api.resolver import app, handler
from weconnect.executions.permissions import ExecutionsRead
from weconnect.workflows.executions import history
from weconnect.workflows.executions.history import ExecutionLogs
from weconnect.workflows.executions.parameters import ExecutionId, LevelFilter, NodeFilter

__all__ = ["handler"]


@app.get("/v1/executions/<executionId>/logs", tags=["Executions"])
def list_execution_logs(
    execution_id: ExecutionId,
    caller: ExecutionsRead,
    level: LevelFilter = None,
    node_id: NodeFilter = None,
) -> ExecutionLogs:
    """List the log entries of an execution."""
    return history.list_logs(caller, execution_id, level, node_id)
