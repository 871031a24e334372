"""POST /v1/organizations/{organizationId}/invitations"""

from weconnect.api.resolver import app, handler
from weconnect.organizations.invitations import invitations
from weconnect.organizations.parameters import OrganizationId, OrganizationInvite
from weconnect.organizations.schemas import NewInvitation, SentInvitation

__all__ = ["handler"]


@app.post(
    "/v1/organizations/<organizationId>/invitations", status_code=201, secret=True, tags=["Invitations"]
)
def create_invitation(
    organization_id: OrganizationId, body: NewInvitation, caller: OrganizationInvite
) -> SentInvitation:
    """Invite an address to a role; the token goes there by mail and is good for seven days."""
    return invitations.create(caller, organization_id, body)
