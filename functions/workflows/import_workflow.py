"""POST /v1/workflows/import"""

from weconnect.http import app, handler
from weconnect.workflows import transfer
from weconnect.workflows.n8n.report import ImportedWorkflow
from weconnect.workflows.permissions import WorkflowsCreate

__all__ = ["handler"]


@app.post("/v1/workflows/import", status_code=201, tags=["Workflows"])
def import_workflow(body: transfer.File, caller: WorkflowsCreate) -> ImportedWorkflow:
    """Make a workflow out of an exported file, ours or n8n's; of n8n's the answer tells what became of each part."""
    return transfer.take(caller, body)
