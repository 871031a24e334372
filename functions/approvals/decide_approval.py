"""POST /v1/approvals/{approvalId}/decide"""

from weconnect.api.resolver import app, handler
from weconnect.approvals import service as approvals
from weconnect.approvals.entities import Approval, Decision
from weconnect.approvals.parameters import ApprovalId
from weconnect.approvals.permissions import ApprovalsDecide

__all__ = ["handler"]


@app.post("/v1/approvals/<approvalId>/decide", replays=True, tags=["Approvals"])
def decide_approval(approval_id: ApprovalId, body: Decision, caller: ApprovalsDecide) -> Approval:
    """Decide an approval request.

    Approves it, denies it, or approves it with other arguments; then the execution resumes.
    """
    return approvals.decide(caller, approval_id, body)
