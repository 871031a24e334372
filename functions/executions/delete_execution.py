"""DELETE /v1/executions/{executionId}"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content
from weconnect.executions.permissions import ExecutionsDelete
from weconnect.workflows.executions import service
from weconnect.workflows.executions.parameters import ExecutionId

__all__ = ["handler"]


@app.delete("/v1/executions/<executionId>", status_code=204, tags=["Executions"])
def delete_execution(execution_id: ExecutionId, caller: ExecutionsDelete) -> Response[None]:
    """Delete a finished execution."""
    service.delete(caller, execution_id)
    return no_content()
