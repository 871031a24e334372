"""GET /v1/workflows/{workflowId}/versions/{version}"""

from weconnect.api.resolver import app, handler
from weconnect.workflows.definition import versions
from weconnect.workflows.entities import WorkflowVersion
from weconnect.workflows.parameters import VersionNumber, WorkflowId
from weconnect.workflows.permissions import MayRead

__all__ = ["handler"]


@app.get("/v1/workflows/<workflowId>/versions/<version>", tags=["Workflows"])
def get_workflow_version(workflow_id: WorkflowId, version: VersionNumber, caller: MayRead) -> WorkflowVersion:
    """Get a version of a workflow with its definition.

    A version is immutable.
    """
    return versions.get(caller, workflow_id, version)
