"""POST /v1/workflows/import"""

from weconnect.api.resolver import app, handler
from weconnect.workflows.definition import import_export
from weconnect.workflows.importers.n8n.report import ImportedWorkflow
from weconnect.workflows.permissions import WorkflowsCreate

__all__ = ["handler"]


@app.post("/v1/workflows/import", status_code=201, tags=["Workflows"])
def import_workflow(body: import_export.File, caller: WorkflowsCreate) -> ImportedWorkflow:
    """Make a workflow out of an exported file, ours or n8n's; of n8n's the answer tells what became of each part."""
    return import_export.take(caller, body)
