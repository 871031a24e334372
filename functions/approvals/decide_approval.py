"""POST /v1/approvals/{approvalId}/decide"""

from weconnect.api.resolver import app, handler
from weconnect.approvals import service as approvals
from weconnect.executions.entities import Approval, Decision
from weconnect.executions.parameters import ApprovalId, MayDecide

__all__ = ["handler"]


@app.post("/v1/approvals/<approvalId>/decide", tags=["Approvals"])
def decide_approval(approval_id: ApprovalId, body: Decision, caller: MayDecide) -> Approval:
    """Approve, deny, or approve with other arguments; the run goes on."""
    return approvals.decide(caller, approval_id, body)
