"""GET /v1/organizations/{organizationId}"""

from weconnect.api.caller import SignedIn
from weconnect.api.resolver import app, handler
from weconnect.organizations import service
from weconnect.organizations.entities import Organization
from weconnect.organizations.parameters import OrganizationId

__all__ = ["handler"]


@app.get("/v1/organizations/<organizationId>", tags=["Organizations"])
def get_organization(organization_id: OrganizationId, caller: SignedIn) -> Organization:
    """Get an organization with this month's executions."""
    return service.get(caller, organization_id)
