"""GET /v1/approvals"""

from weconnect.api.caller import SignedIn
from weconnect.api.pagination import Cursor, Limit, Page
from weconnect.api.resolver import app, handler
from weconnect.approvals import service as approvals
from weconnect.executions.entities import Approval, ApprovalStatus
from weconnect.executions.parameters import ApprovalStatusFilter

__all__ = ["handler"]


@app.get("/v1/approvals", tags=["Approvals"])
def list_approvals(
    caller: SignedIn,
    status: ApprovalStatusFilter = ApprovalStatus.PENDING,
    limit: Limit = 25,
    cursor: Cursor = None,
) -> Page[Approval]:
    """Questions that the caller may decide, newest first; the open ones unless another status is asked for."""
    return approvals.find(caller, status=status, limit=limit, cursor=cursor)
