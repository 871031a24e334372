"""POST /v1/organizations/{organizationId}/invitations/{invitationId}/resend"""

from weconnect.api.resolver import app, handler
from weconnect.organizations.invitations import invitations
from weconnect.organizations.parameters import InvitationId, OrganizationId
from weconnect.organizations.permissions import OrganizationInvite
from weconnect.organizations.schemas import SentInvitation

__all__ = ["handler"]


@app.post(
    "/v1/organizations/<organizationId>/invitations/<invitationId>/resend",
    returns_secret=True,
    replays=True,
    tags=["Invitations"],
)
def resend_invitation(
    organization_id: OrganizationId, invitation_id: InvitationId, caller: OrganizationInvite
) -> SentInvitation:
    """Resend an invitation with a new token.

    The previous token becomes invalid.
    """
    return invitations.resend(caller, organization_id, invitation_id)
