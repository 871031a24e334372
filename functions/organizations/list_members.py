"""GET /v1/organizations/{organizationId}/members"""

from weconnect.api.caller import SignedIn
from weconnect.api.pagination import Cursor, Limit, Page
from weconnect.api.resolver import app, handler
from weconnect.organizations.entities import Member
from weconnect.organizations.members import members
from weconnect.organizations.parameters import IsActiveFilter, OrganizationId, RoleFilter

__all__ = ["handler"]


@app.get("/v1/organizations/<organizationId>/members", tags=["Members"])
def list_members(
    organization_id: OrganizationId,
    caller: SignedIn,
    role: RoleFilter = None,
    is_active: IsActiveFilter = None,
    limit: Limit = 25,
    cursor: Cursor = None,
) -> Page[Member]:
    """List the members of the organization."""
    return members.find(caller, organization_id, role=role, is_active=is_active, limit=limit, cursor=cursor)
