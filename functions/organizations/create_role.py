"""POST /v1/organizations/{organizationId}/roles"""

from weconnect.api.resolver import app, handler
from weconnect.organizations.members import roles
from weconnect.organizations.parameters import OrganizationId
from weconnect.organizations.permissions import OrganizationManage
from weconnect.organizations.schemas import NewRole, Role

__all__ = ["handler"]


@app.post(
    "/v1/organizations/<organizationId>/roles",
    status_code=201,
    replays=True,
    location="/v1/organizations/{organizationId}/roles/{id}",
    tags=["Roles"],
)
def create_role(organization_id: OrganizationId, body: NewRole, caller: OrganizationManage) -> Role:
    """Create a custom role.

    It can only contain permissions that the caller holds.
    """
    return roles.create(caller, organization_id, body)
