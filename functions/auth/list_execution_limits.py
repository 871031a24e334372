"""GET /v1/execution-limits"""

from weconnect.api.caller import SignedIn
from weconnect.api.resolver import app, handler
from weconnect.auth.entities import ExecutionLimits
from weconnect.auth.limits import execution_limits
from weconnect.auth.parameters import OfUser

__all__ = ["handler"]


@app.get("/v1/execution-limits", tags=["Execution limits"])
def list_execution_limits(caller: SignedIn, user_id: OfUser = None) -> ExecutionLimits:
    """The caller's limits and what is left of them."""
    return execution_limits.find(caller, user_id)
