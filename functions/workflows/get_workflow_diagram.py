"""GET /v1/workflows/{workflowId}/diagram"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.parameters import Accept
from weconnect.api.resolver import app, handler
from weconnect.workflows.diagram import build_diagram_response
from weconnect.workflows.parameters import ExecutionFilter, WorkflowId
from weconnect.workflows.permissions import MayRead

__all__ = ["handler"]


@app.get("/v1/workflows/<workflowId>/diagram", tags=["Workflows"])
def get_workflow_diagram(
    workflow_id: WorkflowId,
    caller: MayRead,
    execution_id: ExecutionFilter = None,
    accept: Accept = "*/*",
) -> Response[str]:
    """Get a diagram of a workflow.

    Mermaid text, or SVG for `Accept: image/svg+xml`.
    """
    return build_diagram_response(caller, workflow_id, execution_id, accept)
