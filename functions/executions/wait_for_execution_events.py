"""GET /v1/executions/{executionId}/events"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.pagination import Cursor
from weconnect.api.parameters import PreferWait
from weconnect.api.resolver import app, handler
from weconnect.executions.permissions import ExecutionsRead
from weconnect.workflows.executions import long_poll
from weconnect.workflows.executions.entities import ExecutionEvents
from weconnect.workflows.executions.parameters import ExecutionId, build_events_response

__all__ = ["handler"]


@app.get("/v1/executions/<executionId>/events", tags=["Executions"])
def wait_for_execution_events(
    execution_id: ExecutionId, caller: ExecutionsRead, cursor: Cursor = None, prefer: PreferWait = 0
) -> Response[ExecutionEvents]:
    """List the events of an execution after a cursor.

    With `Prefer: wait=N` the response waits for the next event (long polling). When too many callers wait, it does not
    and has a `Retry-After`.
    """
    return build_events_response(long_poll.wait(caller, execution_id, cursor, prefer), prefer)
