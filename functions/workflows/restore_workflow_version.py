"""POST /v1/workflows/{workflowId}/versions/{version}/restore"""

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.workflows.definition import versions
from weconnect.workflows.entities import Workflow
from weconnect.workflows.parameters import VersionNumber, WorkflowId
from weconnect.workflows.permissions import MayUpdate

__all__ = ["handler"]


@app.post("/v1/workflows/<workflowId>/versions/<version>/restore", replays=True, tags=["Workflows"])
def restore_workflow_version(
    workflow_id: WorkflowId, version: VersionNumber, caller: MayUpdate, if_match: IfMatch = None
) -> Workflow:
    """Restore an old version of a workflow as its newest."""
    return versions.restore(caller, workflow_id, version, if_match)
