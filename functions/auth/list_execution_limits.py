"""GET /v1/execution-limits"""

from weconnect.auth import execution_limits
from weconnect.auth.entities import ExecutionLimits
from weconnect.auth.parameters import OfUser
from weconnect.caller import SignedIn
from weconnect.http import app, handler

__all__ = ["handler"]


@app.get("/v1/execution-limits", tags=["Execution limits"])
def list_execution_limits(caller: SignedIn, user_id: OfUser = None) -> ExecutionLimits:
    """The caller's limits and what is left of them."""
    return execution_limits.find(caller, user_id)
