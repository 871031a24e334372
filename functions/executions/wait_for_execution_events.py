"""GET /v1/executions/{executionId}/events"""

from weconnect.executions import watching
from weconnect.executions.entities import ExecutionEvents
from weconnect.executions.parameters import EventCursor, ExecutionId
from weconnect.executions.permissions import ExecutionsRead
from weconnect.http import PreferWait, app, handler

__all__ = ["handler"]


@app.get("/v1/executions/<executionId>/events", tags=["Executions"])
def wait_for_execution_events(
    execution_id: ExecutionId, caller: ExecutionsRead, cursor: EventCursor = None, prefer: PreferWait = 0
) -> ExecutionEvents:
    """What has happened in a run after a cursor; with `Prefer: wait=N` it waits for something to happen."""
    return watching.wait(caller, execution_id, cursor, prefer)
