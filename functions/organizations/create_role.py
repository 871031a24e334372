"""POST /v1/organizations/{organizationId}/roles"""

from weconnect.api.resolver import app, handler
from weconnect.organizations.members import roles
from weconnect.organizations.parameters import OrganizationId, OrganizationManage
from weconnect.organizations.schemas import NewRole, RoleView

__all__ = ["handler"]


@app.post("/v1/organizations/<organizationId>/roles", status_code=201, tags=["Roles"])
def create_role(organization_id: OrganizationId, body: NewRole, caller: OrganizationManage) -> RoleView:
    """Make a custom role; nobody puts in what they do not hold."""
    return roles.create(caller, organization_id, body)
