"""GET /v1/executions/{executionId}/events"""

from weconnect.api.pagination import Cursor
from weconnect.api.parameters import PreferWait
from weconnect.api.resolver import app, handler
from weconnect.executions.permissions import ExecutionsRead
from weconnect.workflows.executions import long_poll
from weconnect.workflows.executions.entities import ExecutionEvents
from weconnect.workflows.executions.parameters import ExecutionId

__all__ = ["handler"]


@app.get("/v1/executions/<executionId>/events", tags=["Executions"])
def wait_for_execution_events(
    execution_id: ExecutionId, caller: ExecutionsRead, cursor: Cursor = None, prefer: PreferWait = 0
) -> ExecutionEvents:
    """List the events of an execution after a cursor.

    With `Prefer: wait=N` the response waits for the next event (long polling).
    """
    return long_poll.wait(caller, execution_id, cursor, prefer)
