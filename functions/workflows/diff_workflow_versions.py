"""GET /v1/workflows/{workflowId}/versions/{version}/diff"""

from weconnect.api.resolver import app, handler
from weconnect.workflows.definition import versions
from weconnect.workflows.entities import VersionDiff
from weconnect.workflows.parameters import OtherVersion, VersionNumber, WorkflowId
from weconnect.workflows.permissions import MayRead

__all__ = ["handler"]


@app.get("/v1/workflows/<workflowId>/versions/<version>/diff", tags=["Workflows"])
def diff_workflow_versions(
    workflow_id: WorkflowId, version: VersionNumber, to: OtherVersion, caller: MayRead
) -> VersionDiff:
    """Compare two versions of a workflow."""
    return versions.diff(caller, workflow_id, version, to)
