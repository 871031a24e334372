"""POST /v1/organizations/{organizationId}/invitations"""

from weconnect.api.resolver import app, handler
from weconnect.organizations.invitations import invitations
from weconnect.organizations.parameters import OrganizationId
from weconnect.organizations.permissions import OrganizationInvite
from weconnect.organizations.schemas import NewInvitation, SentInvitation

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
    organization_id: OrganizationId, body: NewInvitation, caller: OrganizationInvite
) -> SentInvitation:
    """Invite a person to the organization.

    Sends the token by e-mail; it expires after seven days.
    """
    return invitations.create(caller, organization_id, body)
