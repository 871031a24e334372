"""POST /v1/organizations/{organizationId}/switch"""

from weconnect.api.resolver import app, handler
from weconnect.auth.entities import Tokens
from weconnect.auth.parameters import Person
from weconnect.organizations import service
from weconnect.organizations.parameters import OrganizationId

__all__ = ["handler"]


@app.post("/v1/organizations/<organizationId>/switch", secret=True, own=True, tags=["Organizations"])
def switch_organization(organization_id: OrganizationId, caller: Person) -> Tokens:
    """Make this the caller's current organization; answers new tokens for it."""
    return service.switch(caller, organization_id)
