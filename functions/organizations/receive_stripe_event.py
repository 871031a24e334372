"""POST /v1/billing/stripe-events"""

from weconnect.api.resolver import app, handler
from weconnect.organizations.billing import stripe_events
from weconnect.organizations.parameters import SignedStripeBody
from weconnect.organizations.schemas import EventReceipt

__all__ = ["handler"]


@app.post("/v1/billing/stripe-events", public=True, takes_document=True, tags=["Billing"])
def receive_stripe_event(event: SignedStripeBody) -> EventReceipt:
    """Receive an event from Stripe.

    Stripe's webhook. Verifies the signature, and processes each event once.
    """
    return stripe_events.receive(event)
