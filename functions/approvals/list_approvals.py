"""GET /v1/approvals"""

from weconnect.api.caller import SignedIn
from weconnect.api.pagination import Cursor, Limit, Page
from weconnect.api.resolver import app, handler
from weconnect.approvals import service as approvals
from weconnect.approvals.entities import Approval, ApprovalStatus
from weconnect.approvals.parameters import ApprovalStatusFilter

__all__ = ["handler"]


@app.get("/v1/approvals", tags=["Approvals"])
def list_approvals(
    caller: SignedIn,
    status: ApprovalStatusFilter = ApprovalStatus.PENDING,
    limit: Limit = 25,
    cursor: Cursor = None,
) -> Page[Approval]:
    """List approval requests that the caller may decide.

    Newest first; only pending ones unless `status` names another status.
    """
    return approvals.find(caller, status=status, limit=limit, cursor=cursor)
