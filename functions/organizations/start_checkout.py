"""POST /v1/organizations/{organizationId}/billing/checkout"""

from weconnect.api.resolver import app, handler
from weconnect.organizations.billing import billing
from weconnect.organizations.parameters import OrganizationId
from weconnect.organizations.permissions import OrganizationBilling
from weconnect.organizations.schemas import BillingLink, CheckoutRequest

__all__ = ["handler"]


@app.post("/v1/organizations/<organizationId>/billing/checkout", replays=True, tags=["Billing"])
def start_checkout(
    organization_id: OrganizationId, body: CheckoutRequest, caller: OrganizationBilling
) -> BillingLink:
    """Create a link to a Stripe checkout.

    Returns 501 where the deployment takes no payments.
    """
    return billing.start_checkout(caller, organization_id, body)
