"""GET /v1/variables"""

from weconnect.api.pagination import Cursor, Limit, Page
from weconnect.api.resolver import app, handler
from weconnect.workflows.parameters import OfWorkflow, ScopeFilter
from weconnect.workflows.permissions import WorkflowsRead
from weconnect.workflows.variables import service
from weconnect.workflows.variables.entities import WorkflowVariable

__all__ = ["handler"]


@app.get("/v1/variables", tags=["Variables"])
def list_variables(
    caller: WorkflowsRead,
    limit: Limit = 25,
    cursor: Cursor = None,
    scope: ScopeFilter = None,
    workflow_id: OfWorkflow = None,
) -> Page[WorkflowVariable]:
    """List variables by name.

    Those of a workflow, or the organization's own without `workflowId`. The values of secrets are masked.
    """
    return service.find(caller, limit=limit, cursor=cursor, scope=scope, workflow_id=workflow_id)
