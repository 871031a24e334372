"""POST /v1/organizations/{organizationId}/billing/portal"""

from weconnect.api.resolver import app, handler
from weconnect.organizations.billing import billing
from weconnect.organizations.parameters import OrganizationBilling, OrganizationId
from weconnect.organizations.schemas import Link

__all__ = ["handler"]


@app.post("/v1/organizations/<organizationId>/billing/portal", tags=["Billing"])
def open_billing_portal(organization_id: OrganizationId, caller: OrganizationBilling) -> Link:
    """A Stripe portal link; 501 where the deployment takes no payments."""
    return billing.open_portal(caller, organization_id)
