"""DELETE /v1/organizations/{organizationId}/members/{userId}"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content
from weconnect.organizations.members import members
from weconnect.organizations.parameters import OrganizationId, UserId
from weconnect.organizations.permissions import OrganizationManage

__all__ = ["handler"]


@app.delete("/v1/organizations/<organizationId>/members/<userId>", status_code=204, tags=["Members"])
def remove_member(
    organization_id: OrganizationId, user_id: UserId, caller: OrganizationManage, if_match: IfMatch = None
) -> Response[None]:
    """Remove a member.

    Ends their sessions and revokes their API keys in the organization.
    """
    members.remove(caller, organization_id, user_id, if_match)
    return no_content()
