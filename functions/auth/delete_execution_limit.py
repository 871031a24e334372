"""DELETE /v1/execution-limits/{userId}/{limitType}"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content
from weconnect.auth.limits import execution_limits
from weconnect.auth.parameters import LimitTypePath
from weconnect.organizations.parameters import UserId
from weconnect.organizations.permissions import OrganizationManage

__all__ = ["handler"]


@app.delete("/v1/execution-limits/<userId>/<limitType>", status_code=204, tags=["Execution limits"])
def delete_execution_limit(
    user_id: UserId, limit_type: LimitTypePath, caller: OrganizationManage, if_match: IfMatch = None
) -> Response[None]:
    """Remove a member's execution limit and its count."""
    execution_limits.delete(caller, user_id, limit_type, if_match)
    return no_content()
