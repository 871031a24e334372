"""GET /v1/executions/{executionId}/logs"""

from weconnect.executions import reading
from weconnect.executions.parameters import ExecutionId, LevelFilter, NodeFilter
from weconnect.executions.permissions import ExecutionsRead
from weconnect.executions.reading import ExecutionLogs
from weconnect.http import app, handler

__all__ = ["handler"]


@app.get("/v1/executions/<executionId>/logs", tags=["Executions"])
def list_execution_logs(
    execution_id: ExecutionId,
    caller: ExecutionsRead,
    level: LevelFilter = None,
    node_id: NodeFilter = None,
) -> ExecutionLogs:
    """What happened in a run, line by line."""
    return reading.logs(caller, execution_id, level, node_id)
