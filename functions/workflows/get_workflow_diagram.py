"""GET /v1/workflows/{workflowId}/diagram"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler
from weconnect.workflows.parameters import Accept, ExecutionFilter, WorkflowId, drawn
from weconnect.workflows.permissions import MayRead

__all__ = ["handler"]


@app.get("/v1/workflows/<workflowId>/diagram", tags=["Workflows"])
def get_workflow_diagram(
    workflow_id: WorkflowId,
    caller: MayRead,
    execution_id: ExecutionFilter = None,
    accept: Accept = "*/*",
) -> Response[str]:
    """Draw a workflow: Mermaid text, or SVG for `Accept: image/svg+xml`."""
    return drawn(caller, workflow_id, execution_id, accept)
