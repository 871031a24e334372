"""GET /v1/organizations/{organizationId}/usage"""

from weconnect.api.resolver import app, handler
from weconnect.organizations.parameters import OrganizationId, OrganizationManage
from weconnect.organizations.plans import usage
from weconnect.organizations.schemas import OrganizationUsage

__all__ = ["handler"]


@app.get("/v1/organizations/<organizationId>/usage", tags=["Organizations"])
def get_usage(organization_id: OrganizationId, caller: OrganizationManage) -> OrganizationUsage:
    """Counts and limits of this month and of each resource, and the thresholds reached."""
    return usage.get(caller, organization_id)
