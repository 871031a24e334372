"""POST /v1/executions/{executionId}/retry"""

from weconnect.api.resolver import app, handler
from weconnect.executions.permissions import ExecutionsUpdate
from weconnect.workflows.executions import starts
from weconnect.workflows.executions.entities import Execution, RetryRequest
from weconnect.workflows.executions.parameters import ExecutionId

__all__ = ["handler"]


@app.post(
    "/v1/executions/<executionId>/retry",
    status_code=202,
    replays=True,
    location="/v1/executions/{id}",
    tags=["Executions"],
)
def retry_execution(
    execution_id: ExecutionId, caller: ExecutionsUpdate, body: RetryRequest | None = None
) -> Execution:
    """Retry an execution.

    Keeps the results of the nodes that succeeded, or starts from the beginning.
    """
    return starts.retry(caller, execution_id, body or RetryRequest())
