"""POST /v1/workflows/import"""

from weconnect.api.resolver import app, handler
from weconnect.workflows.definition import import_export
from weconnect.workflows.importers.n8n.report import ImportedWorkflow
from weconnect.workflows.permissions import WorkflowsCreate

__all__ = ["handler"]


@app.post(
    "/v1/workflows/import",
    status_code=201,
    replays=True,
    location="/v1/workflows/{id}",
    takes_document=True,
    tags=["Workflows"],
)
def import_workflow(body: import_export.ImportFile, caller: WorkflowsCreate) -> ImportedWorkflow:
    """Import a workflow from an exported file.

    Accepts our own files and those of n8n. For n8n the response reports how each part was converted.
    """
    return import_export.import_file(caller, body)
