"""GET /v1/organizations/{organizationId}/roles/{roleId}"""

from weconnect.api.caller import SignedIn
from weconnect.api.resolver import app, handler
from weconnect.organizations.members import roles
from weconnect.organizations.parameters import OrganizationId, RoleId
from weconnect.organizations.schemas import Role

__all__ = ["handler"]


@app.get("/v1/organizations/<organizationId>/roles/<roleId>", tags=["Roles"])
def get_role(organization_id: OrganizationId, role_id: RoleId, caller: SignedIn) -> Role:
    """Get a role."""
    return roles.get(caller, organization_id, role_id)
