"""GET /v1/executions/{executionId}/timeline"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.parameters import Accept
from weconnect.api.resolver import app, handler
from weconnect.executions.permissions import ExecutionsRead
from weconnect.workflows.executions import history
from weconnect.workflows.executions.entities import Timeline
from weconnect.workflows.executions.parameters import ExecutionId, build_timeline_response

__all__ = ["handler"]


@app.get("/v1/executions/<executionId>/timeline", tags=["Executions"])
def get_execution_timeline(
    execution_id: ExecutionId, caller: ExecutionsRead, accept: Accept = "*/*"
) -> Response[Timeline | str]:
    """Get the timeline of an execution.

    One bar for each node run: as JSON, or as SVG for `Accept: image/svg+xml`.
    """
    return build_timeline_response(history.get_timeline(caller, execution_id), accept)
