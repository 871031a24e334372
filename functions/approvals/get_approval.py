"""GET /v1/approvals/{approvalId}"""

from weconnect.api.resolver import app, handler
from weconnect.approvals import service as approvals
from weconnect.approvals.entities import Approval
from weconnect.approvals.parameters import ApprovalId
from weconnect.approvals.permissions import ApprovalsRead

__all__ = ["handler"]


@app.get("/v1/approvals/<approvalId>", tags=["Approvals"])
def get_approval(approval_id: ApprovalId, caller: ApprovalsRead) -> Approval:
    """Get an approval request.

    Shows the arguments of the tool call or node, and the decision with the person who made it.
    """
    return approvals.get(caller, approval_id)
