"""GET /v1/organizations/{organizationId}/invitations"""

from weconnect.api.pagination import Cursor, Limit, Page
from weconnect.api.resolver import app, handler
from weconnect.organizations.entities import Invitation
from weconnect.organizations.invitations import invitations
from weconnect.organizations.parameters import OrganizationId
from weconnect.organizations.permissions import OrganizationInvite

__all__ = ["handler"]


@app.get("/v1/organizations/<organizationId>/invitations", tags=["Invitations"])
def list_invitations(
    organization_id: OrganizationId, caller: OrganizationInvite, limit: Limit = 25, cursor: Cursor = None
) -> Page[Invitation]:
    """List open invitations, newest first."""
    return invitations.find(caller, organization_id, limit=limit, cursor=cursor)
