"""GET /v1/organizations/{organizationId}/usage"""

from weconnect.http import app, handler
from weconnect.organizations import usage
from weconnect.organizations.forms import OrganizationUsage
from weconnect.organizations.parameters import OrganizationId, OrganizationManage

__all__ = ["handler"]


@app.get("/v1/organizations/<organizationId>/usage", tags=["Organizations"])
def get_usage(organization_id: OrganizationId, caller: OrganizationManage) -> OrganizationUsage:
    """Counts and limits of this month and of each resource, and the thresholds reached."""
    return usage.get(caller, organization_id)
