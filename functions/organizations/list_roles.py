"""GET /v1/organizations/{organizationId}/roles"""

from weconnect.api.caller import SignedIn
from weconnect.api.resolver import app, handler
from weconnect.organizations.members import roles
from weconnect.organizations.parameters import OrganizationId
from weconnect.organizations.schemas import RoleList

__all__ = ["handler"]


@app.get("/v1/organizations/<organizationId>/roles", tags=["Roles"])
def list_roles(organization_id: OrganizationId, caller: SignedIn) -> RoleList:
    """List the built-in and custom roles."""
    return roles.find(caller, organization_id)
