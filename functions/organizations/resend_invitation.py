"""POST /v1/organizations/{organizationId}/invitations/{invitationId}/resend"""

from weconnect.api.resolver import app, handler
from weconnect.auth.account import ownership
from weconnect.auth.schemas import Confirmation
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
    organization_id: OrganizationId,
    invitation_id: InvitationId,
    caller: OrganizationInvite,
    body: Confirmation | None = None,
) -> SentInvitation:
    """Resend an invitation with a new token.

    The previous token becomes invalid. The role `owner` needs the password or a second factor's code.
    """
    return ownership.resend_invitation(caller, organization_id, invitation_id, body)
