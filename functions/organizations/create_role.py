"""POST /v1/organizations/{organizationId}/roles"""

from weconnect.http import app, handler
from weconnect.organizations import roles
from weconnect.organizations.forms import NewRole, RoleView
from weconnect.organizations.parameters import OrganizationId, OrganizationManage

__all__ = ["handler"]


@app.post("/v1/organizations/<organizationId>/roles", status_code=201, tags=["Roles"])
def create_role(organization_id: OrganizationId, body: NewRole, caller: OrganizationManage) -> RoleView:
    """Make a custom role; nobody puts in what they do not hold."""
    return roles.create(caller, organization_id, body)
