"""GET /v1/organizations/{organizationId}/roles"""

from weconnect.caller import SignedIn
from weconnect.http import app, handler
from weconnect.organizations import roles
from weconnect.organizations.forms import Roles
from weconnect.organizations.parameters import OrganizationId

__all__ = ["handler"]


@app.get("/v1/organizations/<organizationId>/roles", tags=["Roles"])
def list_roles(organization_id: OrganizationId, caller: SignedIn) -> Roles:
    """The four roles and the custom ones."""
    return roles.find(caller, organization_id)
