"""GET /v1/organizations/{organizationId}/roles/{roleId}"""

from weconnect.caller import SignedIn
from weconnect.http import app, handler
from weconnect.organizations import roles
from weconnect.organizations.forms import RoleView
from weconnect.organizations.parameters import OrganizationId, RoleId

__all__ = ["handler"]


@app.get("/v1/organizations/<organizationId>/roles/<roleId>", tags=["Roles"])
def get_role(organization_id: OrganizationId, role_id: RoleId, caller: SignedIn) -> RoleView:
    """One role."""
    return roles.get(caller, organization_id, role_id)
