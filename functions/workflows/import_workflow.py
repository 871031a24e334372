"""POST /v1/workflows/import"""

from weconnect.http import app, handler
from weconnect.workflows import transfer
from weconnect.workflows.entities import Workflow, WorkflowExport
from weconnect.workflows.permissions import WorkflowsCreate

__all__ = ["handler"]


@app.post("/v1/workflows/import", status_code=201, tags=["Workflows"])
def import_workflow(body: WorkflowExport, caller: WorkflowsCreate) -> Workflow:
    """Make a workflow out of an exported file."""
    return transfer.take(caller, body)
