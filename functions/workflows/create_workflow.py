"""POST /v1/workflows"""

from weconnect.api.resolver import app, handler
from weconnect.workflows import service
from weconnect.workflows.entities import NewWorkflow, Workflow
from weconnect.workflows.permissions import WorkflowsCreate

__all__ = ["handler"]


@app.post(
    "/v1/workflows",
    status_code=201,
    replays=True,
    location="/v1/workflows/{id}",
    takes_document=True,
    tags=["Workflows"],
)
def create_workflow(body: NewWorkflow, caller: WorkflowsCreate) -> Workflow:
    """Create a workflow.

    It starts as a draft, which may be incomplete.
    """
    return service.create(caller, body)
