"""GET /v1/organizations/{organizationId}/invitations"""

from weconnect.http import app, handler
from weconnect.organizations import invitations
from weconnect.organizations.forms import Invitation
from weconnect.organizations.parameters import OrganizationId, OrganizationInvite
from weconnect.pages import Cursor, Limit, Page

__all__ = ["handler"]


@app.get("/v1/organizations/<organizationId>/invitations", tags=["Invitations"])
def list_invitations(
    organization_id: OrganizationId, caller: OrganizationInvite, limit: Limit = 25, cursor: Cursor = None
) -> Page[Invitation]:
    """Open invitations, newest first."""
    return invitations.find(caller, organization_id, limit=limit, cursor=cursor)
