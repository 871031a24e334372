"""POST /v1/organizations/{organizationId}/invitations/{invitationId}/resend"""

from weconnect.api.resolver import app, handler
from weconnect.organizations.invitations import invitations
from weconnect.organizations.parameters import InvitationId, OrganizationId, OrganizationInvite
from weconnect.organizations.schemas import SentInvitation

__all__ = ["handler"]


@app.post(
    "/v1/organizations/<organizationId>/invitations/<invitationId>/resend", secret=True, tags=["Invitations"]
)
def resend_invitation(
    organization_id: OrganizationId, invitation_id: InvitationId, caller: OrganizationInvite
) -> SentInvitation:
    """Send it again with a new token; the one before opens nothing more."""
    return invitations.resend(caller, organization_id, invitation_id)
