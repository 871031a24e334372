"""POST /v1/organizations/{organizationId}/billing/portal"""

from weconnect.api.resolver import app, handler
from weconnect.organizations.billing import billing
from weconnect.organizations.parameters import OrganizationId
from weconnect.organizations.permissions import OrganizationBilling
from weconnect.organizations.schemas import BillingLink

__all__ = ["handler"]


@app.post("/v1/organizations/<organizationId>/billing/portal", replays=True, tags=["Billing"])
def open_billing_portal(organization_id: OrganizationId, caller: OrganizationBilling) -> BillingLink:
    """Create a link to the Stripe billing portal.

    Returns 501 where the deployment takes no payments.
    """
    return billing.open_portal(caller, organization_id)
