"""POST /v1/variables"""

from weconnect.api.resolver import app, handler
from weconnect.workflows.permissions import WorkflowsUpdate
from weconnect.workflows.variables import service
from weconnect.workflows.variables.entities import NewVariable, WorkflowVariable

__all__ = ["handler"]


@app.post("/v1/variables", status_code=201, replays=True, location="/v1/variables/{id}", tags=["Variables"])
def create_variable(body: NewVariable, caller: WorkflowsUpdate) -> WorkflowVariable:
    """Create a variable of a workflow or the organization."""
    return service.create(caller, body)
