"""DELETE /v1/organizations/{organizationId}/invitations/{invitationId}"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content
from weconnect.organizations.invitations import invitations
from weconnect.organizations.parameters import InvitationId, OrganizationId
from weconnect.organizations.permissions import OrganizationInvite

__all__ = ["handler"]


@app.delete(
    "/v1/organizations/<organizationId>/invitations/<invitationId>", status_code=204, tags=["Invitations"]
)
def revoke_invitation(
    organization_id: OrganizationId,
    invitation_id: InvitationId,
    caller: OrganizationInvite,
    if_match: IfMatch = None,
) -> Response[None]:
    """Revoke an invitation."""
    invitations.revoke(caller, organization_id, invitation_id, if_match)
    return no_content()
