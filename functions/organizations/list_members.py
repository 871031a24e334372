"""GET /v1/organizations/{organizationId}/members"""

from weconnect.api.caller import SignedIn
from weconnect.api.pagination import Cursor, Limit, Page
from weconnect.api.resolver import app, handler
from weconnect.organizations import service
from weconnect.organizations.entities import MemberView
from weconnect.organizations.parameters import IsActive, OrganizationId, Role

__all__ = ["handler"]


@app.get("/v1/organizations/<organizationId>/members", tags=["Members"])
def list_members(
    organization_id: OrganizationId,
    caller: SignedIn,
    role: Role = None,
    is_active: IsActive = None,
    limit: Limit = 25,
    cursor: Cursor = None,
) -> Page[MemberView]:
    """Members of the caller's organization."""
    return service.members(
        caller, organization_id, role=role, is_active=is_active, limit=limit, cursor=cursor
    )
