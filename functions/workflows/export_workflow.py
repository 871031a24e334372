"""GET /v1/workflows/{workflowId}/export"""

from weconnect.api.resolver import app, handler
from weconnect.workflows.definition import import_export
from weconnect.workflows.entities import WorkflowExport
from weconnect.workflows.parameters import WorkflowId
from weconnect.workflows.permissions import MayRead

__all__ = ["handler"]


@app.get("/v1/workflows/<workflowId>/export", tags=["Workflows"])
def export_workflow(workflow_id: WorkflowId, caller: MayRead) -> WorkflowExport:
    """Export a workflow as a file.

    Secrets are left out.
    """
    return import_export.export(caller, workflow_id)
