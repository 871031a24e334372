"""GET /v1/approvals/{approvalId}"""

from weconnect.api.resolver import app, handler
from weconnect.approvals import service as approvals
from weconnect.executions.entities import Approval
from weconnect.executions.parameters import ApprovalId, MayRead

__all__ = ["handler"]


@app.get("/v1/approvals/<approvalId>", tags=["Approvals"])
def get_approval(approval_id: ApprovalId, caller: MayRead) -> Approval:
    """What is asked, with the arguments, and what was decided by whom."""
    return approvals.get(caller, approval_id)
