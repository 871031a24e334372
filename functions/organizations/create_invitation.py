"""POST /v1/organizations/{organizationId}/invitations"""

from weconnect.api.resolver import app, handler
from weconnect.auth.account import ownership
from weconnect.auth.schemas import ConfirmedInvitation
from weconnect.organizations.parameters import OrganizationId
from weconnect.organizations.permissions import OrganizationInvite
from weconnect.organizations.schemas import SentInvitation

__all__ = ["handler"]


@app.post(
    "/v1/organizations/<organizationId>/invitations",
    status_code=201,
    returns_secret=True,
    replays=True,
    location="/v1/organizations/{organizationId}/invitations/{id}",
    tags=["Invitations"],
)
def create_invitation(
    organization_id: OrganizationId, body: ConfirmedInvitation, caller: OrganizationInvite
) -> SentInvitation:
    """Invite a person to the organization.

    Sends the token by e-mail; it expires after seven days. The role `owner` needs the password or a second factor's
    code.
    """
    return ownership.invite(caller, organization_id, body)
