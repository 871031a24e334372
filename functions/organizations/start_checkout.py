"""POST /v1/organizations/{organizationId}/billing/checkout"""

from weconnect.api.resolver import app, handler
from weconnect.organizations.billing import billing
from weconnect.organizations.parameters import OrganizationBilling, OrganizationId
from weconnect.organizations.schemas import Checkout, Link

__all__ = ["handler"]


@app.post("/v1/organizations/<organizationId>/billing/checkout", tags=["Billing"])
def start_checkout(organization_id: OrganizationId, body: Checkout, caller: OrganizationBilling) -> Link:
    """A Stripe checkout link; 501 where the deployment takes no payments."""
    return billing.start_checkout(caller, organization_id, body)
