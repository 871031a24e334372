"""PUT /v1/execution-limits/{userId}/{limitType}"""

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.auth.limits import execution_limits
from weconnect.auth.parameters import LimitTypePath
from weconnect.auth.schemas import ExecutionLimitChanges
from weconnect.identity.entities import ExecutionLimit
from weconnect.organizations.parameters import UserId
from weconnect.organizations.permissions import OrganizationManage

__all__ = ["handler"]


@app.put("/v1/execution-limits/<userId>/<limitType>", tags=["Execution limits"])
def put_execution_limit(
    user_id: UserId,
    limit_type: LimitTypePath,
    body: ExecutionLimitChanges,
    caller: OrganizationManage,
    if_match: IfMatch = None,
) -> ExecutionLimit:
    """Set a member's execution limit."""
    return execution_limits.put(caller, user_id, limit_type, body, if_match)
