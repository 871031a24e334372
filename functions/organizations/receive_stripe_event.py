"""POST /v1/billing/stripe-events"""

from weconnect.api.resolver import app, handler
from weconnect.organizations.billing import stripe_events
from weconnect.organizations.parameters import Signed
from weconnect.organizations.schemas import Received

__all__ = ["handler"]


@app.post("/v1/billing/stripe-events", public=True, tags=["Billing"])
def receive_stripe_event(event: Signed) -> Received:
    """Stripe's webhook: the signature is checked, each event is taken once."""
    return stripe_events.receive(event)
