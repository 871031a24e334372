"""GET /v1/organizations/{organizationId}/roles"""

from weconnect.api.caller import SignedIn
from weconnect.api.resolver import app, handler
from weconnect.organizations.members import roles
from weconnect.organizations.parameters import OrganizationId
from weconnect.organizations.schemas import Roles

__all__ = ["handler"]


@app.get("/v1/organizations/<organizationId>/roles", tags=["Roles"])
def list_roles(organization_id: OrganizationId, caller: SignedIn) -> Roles:
    """The four roles and the custom ones."""
    return roles.find(caller, organization_id)
