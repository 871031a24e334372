"""PUT /v1/execution-limits/{userId}/{limitType}"""

from weconnect.api.resolver import IfMatch, app, handler
from weconnect.auth.entities import ExecutionLimit, ExecutionLimitChanges
from weconnect.auth.limits import execution_limits
from weconnect.auth.parameters import LimitTypeOfPath
from weconnect.organizations.parameters import OrganizationManage, UserId

__all__ = ["handler"]


@app.put("/v1/execution-limits/<userId>/<limitType>", tags=["Execution limits"])
def put_execution_limit(
    user_id: UserId,
    limit_type: LimitTypeOfPath,
    body: ExecutionLimitChanges,
    caller: OrganizationManage,
    if_match: IfMatch = None,
) -> ExecutionLimit:
    """Set a member's limit in this organization."""
    return execution_limits.put(caller, user_id, limit_type, body, if_match)
