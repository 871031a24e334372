"""PATCH /v1/organizations/{organizationId}/roles/{roleId}"""

from weconnect.http import IfMatch, app, handler
from weconnect.organizations import roles
from weconnect.organizations.forms import RoleChanges, RoleView
from weconnect.organizations.parameters import OrganizationId, OrganizationManage, RoleId

__all__ = ["handler"]


@app.patch("/v1/organizations/<organizationId>/roles/<roleId>", tags=["Roles"])
def update_role(
    organization_id: OrganizationId,
    role_id: RoleId,
    body: RoleChanges,
    caller: OrganizationManage,
    if_match: IfMatch = None,
) -> RoleView:
    """Change a custom role."""
    return roles.update(caller, organization_id, role_id, body, if_match)
