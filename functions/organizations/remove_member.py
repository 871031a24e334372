"""DELETE /v1/organizations/{organizationId}/members/{userId}"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import IfMatch, app, handler, no_content
from weconnect.organizations.members import members
from weconnect.organizations.parameters import OrganizationId, OrganizationManage, UserId

__all__ = ["handler"]


@app.delete("/v1/organizations/<organizationId>/members/<userId>", status_code=204, tags=["Members"])
def remove_member(
    organization_id: OrganizationId, user_id: UserId, caller: OrganizationManage, if_match: IfMatch = None
) -> Response[None]:
    """Remove a member, and end their sessions and keys here."""
    members.remove(caller, organization_id, user_id, if_match)
    return no_content()
