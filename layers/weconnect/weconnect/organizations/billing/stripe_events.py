"""Stripe's webhook: subscriptions move plan, trial and status. Each event once, and never an older after a newer one.

The signature is checked by Stripe's own library on the body as it came. Events that are not about a subscription of
one of our organizations are taken and ignored, so that Stripe does not send them again.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from weconnect import clock
from weconnect.db import table
from weconnect.errors import BadRequest, Conflict, NotConfigured
from weconnect.log import logger
from weconnect.organizations.billing import billing
from weconnect.organizations.entities import OrganizationPlan
from weconnect.organizations.rows import OrganizationRow, StripeEventRow
from weconnect.organizations.schemas import Received, SignedBody

KEEP_SECONDS = 30 * 86_400
TOLERANCE_SECONDS = 300
ATTEMPTS = 8
SUBSCRIPTION = "customer.subscription."
ALIVE = {"active", "trialing", "past_due"}
SUSPENDED = {"unpaid", "paused"}
ENDED = {"canceled", "incomplete_expired"}


class Duplicate(Conflict):
    code = "duplicate_event"


def receive(body: SignedBody) -> Received:
    """Take one event."""
    event = _verified(body)
    kind, subscription = str(event["type"]), event["data"]["object"]
    if kind.startswith(SUBSCRIPTION) and subscription.get("object") == "subscription":
        for attempt in range(ATTEMPTS):
            try:
                _apply(str(event["id"]), int(event["created"]), kind, subscription)
                break
            except Duplicate:
                logger.info("Stripe event seen before", event=event["id"])
                break
            except Conflict:  # the organization changed meanwhile
                if attempt == ATTEMPTS - 1:
                    raise
    return Received()


def _verified(body: SignedBody) -> dict[str, Any]:
    """The event, whose signature holds and is not older than five minutes."""
    secret = billing.keys().get("webhookSecret")
    if not secret:
        raise NotConfigured("This deployment takes no payments: its secret StripeKeys has no webhookSecret")
    import stripe

    try:
        event = stripe.Webhook.construct_event(body.text, body.signature, secret, tolerance=TOLERANCE_SECONDS)
        found: dict[str, Any] = event.to_dict()
        str(found["id"]), str(found["type"]), int(found["created"]), found["data"]["object"]["object"]
    except stripe.SignatureVerificationError as error:
        raise BadRequest("The signature does not hold", code="invalid_signature") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadRequest("This is no event of Stripe's", code="invalid_event") from error
    return found


def _apply(event_id: str, created: int, kind: str, subscription: dict[str, Any]) -> None:
    """Move the organization to what the event says, unless a newer one has spoken; both with the event's own row."""
    row = _organization(subscription)
    if row is None:
        logger.info("Stripe event of an unknown customer", event=event_id)
        return
    values = _values(row, created, kind, subscription)
    pk, sk = StripeEventRow.at(event_id)
    seen = StripeEventRow(pk=pk, sk=sk, ttl=clock.epoch() + KEEP_SECONDS)
    with table.transaction({"system": "stripe", "requestId": event_id}) as writes:
        writes.create(seen, Duplicate("This event was taken before"))
        if values:
            changed = {name: values[name] for name in ("plan", "is_active") if name in values}
            writes.change(row, values | row.index_keys(**changed))


def _organization(subscription: dict[str, Any]) -> OrganizationRow | None:
    """The organization of the subscription's customer, by what our checkout wrote on it, else by the index."""
    customer = str(subscription.get("customer"))
    named = (subscription.get("metadata") or {}).get("organizationId")
    try:
        row = table.get(OrganizationRow, OrganizationRow.at(UUID(str(named)))) if named else None
    except ValueError:
        row = None
    if row is not None and row.stripe_customer_id == customer:
        return row
    index = OrganizationRow.gsi1.query(OrganizationRow.by_stripe_customer(customer))
    found = next(iter(index), None)
    return table.get(OrganizationRow, (found.pk, found.sk)) if found else None


def _values(row: OrganizationRow, created: int, kind: str, subscription: dict[str, Any]) -> dict[str, Any]:
    """What the event changes; nothing when it is older than the last one, or about another subscription."""
    number, status = str(subscription["id"]), str(subscription.get("status"))
    ended = kind == f"{SUBSCRIPTION}deleted" or status in ENDED
    if created < (row.stripe_event_at or 0) or row.stripe_ended == number:
        return {}
    current = row.stripe_subscription_id
    if current not in (None, number) and (ended or status not in ALIVE):
        return {}
    values: dict[str, Any] = {"stripe_event_at": created}
    if ended:
        values |= {"plan": OrganizationPlan.FREE.value, "stripe_subscription_id": None}
        return values | {"trial_ends_at": None, "stripe_ended": number, **_active(row, True)}
    if status not in ALIVE | SUSPENDED:
        return {}  # not paid for yet
    values |= {"stripe_subscription_id": number, **_active(row, status in ALIVE)}
    values["trial_ends_at"] = _moment(subscription.get("trial_end"))
    if plan := _plan(subscription):
        values["plan"] = plan.value
    return values


def _active(row: OrganizationRow, pays: bool) -> dict[str, Any]:
    """Who does not pay is suspended; who pays again is active again, but not who was suspended by an operator."""
    if not pays:
        return {"is_active": False, "stripe_suspended": True} if row.is_active else {}
    return {"is_active": True, "stripe_suspended": None} if row.stripe_suspended else {}


def _plan(subscription: dict[str, Any]) -> OrganizationPlan | None:
    items = (subscription.get("items") or {}).get("data") or []
    prices = [str((item.get("price") or {}).get("id")) for item in items]
    plan = next((plan for price in prices if (plan := billing.plan_of_price(price))), None)
    if plan is None:
        logger.warning("Stripe price without a plan", prices=prices)
    return plan


def _moment(seconds: int | None) -> str | None:
    return clock.iso(datetime.fromtimestamp(seconds, UTC)) if seconds else None
