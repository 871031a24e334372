"""GET /v1/executions/{executionId}/timeline"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler
from weconnect.executions.entities import Timeline
from weconnect.executions.parameters import ExecutionId, charted
from weconnect.executions.permissions import ExecutionsRead
from weconnect.executions.views import history
from weconnect.workflows.parameters import Accept

__all__ = ["handler"]


@app.get("/v1/executions/<executionId>/timeline", tags=["Executions"])
def get_execution_timeline(
    execution_id: ExecutionId, caller: ExecutionsRead, accept: Accept = "*/*"
) -> Response[Timeline | str]:
    """One bar for each node run: JSON, or SVG for `Accept: image/svg+xml`."""
    return charted(history.timeline(caller, execution_id), accept)
