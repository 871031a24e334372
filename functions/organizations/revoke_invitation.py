"""DELETE /v1/organizations/{organizationId}/invitations/{invitationId}"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import IfMatch, app, handler, no_content
from weconnect.organizations.invitations import invitations
from weconnect.organizations.parameters import InvitationId, OrganizationId, OrganizationInvite

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
    """Take an invitation back."""
    invitations.revoke(caller, organization_id, invitation_id, if_match)
    return no_content()
