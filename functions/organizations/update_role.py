"""PATCH /v1/organizations/{organizationId}/roles/{roleId}"""

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.organizations.members import roles
from weconnect.organizations.parameters import OrganizationId, RoleId
from weconnect.organizations.permissions import OrganizationManage
from weconnect.organizations.schemas import Role, RoleChanges

__all__ = ["handler"]


@app.patch("/v1/organizations/<organizationId>/roles/<roleId>", tags=["Roles"])
def update_role(
    organization_id: OrganizationId,
    role_id: RoleId,
    body: RoleChanges,
    caller: OrganizationManage,
    if_match: IfMatch = None,
) -> Role:
    """Update a custom role."""
    return roles.update(caller, organization_id, role_id, body, if_match)
