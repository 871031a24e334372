"""POST /v1/organizations/{organizationId}/billing/checkout"""

from weconnect.http import app, handler
from weconnect.organizations import billing
from weconnect.organizations.forms import Checkout, Link
from weconnect.organizations.parameters import OrganizationBilling, OrganizationId

__all__ = ["handler"]


@app.post("/v1/organizations/<organizationId>/billing/checkout", tags=["Billing"])
def start_checkout(organization_id: OrganizationId, body: Checkout, caller: OrganizationBilling) -> Link:
    """A Stripe checkout link; 501 where the deployment takes no payments."""
    return billing.start_checkout(caller, organization_id, body)
