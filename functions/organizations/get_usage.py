"""GET /v1/organizations/{organizationId}/usage"""

from weconnect.api.resolver import app, handler
from weconnect.organizations.parameters import OrganizationId
from weconnect.organizations.permissions import OrganizationManage
from weconnect.organizations.plans import usage
from weconnect.organizations.schemas import OrganizationUsage

__all__ = ["handler"]


@app.get("/v1/organizations/<organizationId>/usage", tags=["Organizations"])
def get_usage(organization_id: OrganizationId, caller: OrganizationManage) -> OrganizationUsage:
    """Get the organization's usage, limits and reached thresholds."""
    return usage.get(caller, organization_id)
