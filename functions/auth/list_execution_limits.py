"""GET /v1/execution-limits"""

from weconnect.api.caller import SignedIn
from weconnect.api.resolver import app, handler
from weconnect.auth.limits import execution_limits
from weconnect.auth.parameters import UserFilter
from weconnect.auth.schemas import ExecutionLimits

__all__ = ["handler"]


@app.get("/v1/execution-limits", tags=["Execution limits"])
def list_execution_limits(caller: SignedIn, user_id: UserFilter = None) -> ExecutionLimits:
    """List a member's execution limits with the remaining amounts."""
    return execution_limits.find(caller, user_id)
