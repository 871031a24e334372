"""Stripe's webhook: subscriptions set plan, trial and status. Each event is applied once, and never after a newer one.

Stripe's own library checks the signature of the unchanged body. Events that are not about a subscription of one of our
organizations are accepted and ignored, so that Stripe does not send them again.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from weconnect import clock
from weconnect.db import table
from weconnect.errors import Conflict, NotConfigured
from weconnect.log import logger
from weconnect.organizations.billing import billing
from weconnect.organizations.entities import OrganizationPlan
from weconnect.organizations.errors import InvalidSignature, InvalidStripeEvent
from weconnect.organizations.rows import OrganizationRow, StripeEventRow
from weconnect.organizations.schemas import EventReceipt, SignedBody

RETENTION_SECONDS = 30 * 86_400
TOLERANCE_SECONDS = 300
ATTEMPTS = 8
SUBSCRIPTION = "customer.subscription."
ALIVE = {"active", "trialing", "past_due"}
SUSPENDED = {"unpaid", "paused"}
ENDED = {"canceled", "incomplete_expired"}

JsonObject = dict[str, Any]


class _AppliedBefore(Conflict):
    """The event was applied before; this never leaves the module."""


def receive(body: SignedBody) -> EventReceipt:
    """Apply one event. Raises InvalidSignature, InvalidStripeEvent or NotConfigured."""
    event = _verify(body)
    event_type, subscription = str(event["type"]), event["data"]["object"]
    if event_type.startswith(SUBSCRIPTION) and subscription.get("object") == "subscription":
        for attempt in range(ATTEMPTS):
            try:
                _apply(str(event["id"]), int(event["created"]), event_type, subscription)
                break
            except _AppliedBefore:
                logger.info("Stripe event applied before", event=event["id"])
                break
            except Conflict:  # the organization was changed at the same time
                if attempt == ATTEMPTS - 1:
                    raise
    return EventReceipt()


def _verify(body: SignedBody) -> JsonObject:
    """Return the event after checking its signature, which must not be older than five minutes."""
    secret = billing.load_stripe_keys().get("webhookSecret")
    if not secret:
        raise NotConfigured("This deployment takes no payments: its secret StripeKeys has no webhookSecret.")
    import stripe  # cold start

    try:
        signed = stripe.Webhook.construct_event(
            body.text, body.signature, secret, tolerance=TOLERANCE_SECONDS
        )
        event: JsonObject = signed.to_dict()
        str(event["id"]), str(event["type"]), int(event["created"]), event["data"]["object"]["object"]
    except stripe.SignatureVerificationError as error:
        raise InvalidSignature() from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidStripeEvent("The body is not an event of Stripe.") from error
    return event


def _apply(event_id: str, created: int, event_type: str, subscription: JsonObject) -> None:
    """Change the organization as the event says, unless a newer one was applied, together with the event's marker."""
    row = _find_organization(subscription)
    if row is None:
        logger.info("Stripe event of an unknown customer", event=event_id)
        return
    values = _compute_changes(row, created, event_type, subscription)
    pk, sk = StripeEventRow.at(event_id)
    marker = StripeEventRow(pk=pk, sk=sk, ttl=clock.epoch_seconds() + RETENTION_SECONDS)
    with table.transaction({"system": "stripe", "requestId": event_id}) as writes:
        writes.create(marker, _AppliedBefore())
        if values:
            index_keys = row.index_keys(plan=values.get("plan"), is_active=values.get("is_active"))
            writes.change(row, values | index_keys)


def _find_organization(subscription: JsonObject) -> OrganizationRow | None:
    """Return the organization of a subscription's customer, or None: by the ID in its metadata, else by the index."""
    customer = str(subscription.get("customer"))
    organization_id = (subscription.get("metadata") or {}).get("organizationId")
    try:
        at = OrganizationRow.at(UUID(str(organization_id))) if organization_id else None
    except ValueError:
        at = None
    row = table.get(OrganizationRow, at) if at else None
    if row is not None and row.stripe_customer_id == customer:
        return row
    matches = OrganizationRow.gsi1.query(OrganizationRow.by_stripe_customer(customer))
    match = next(iter(matches), None)
    return table.get(OrganizationRow, (match.pk, match.sk)) if match else None


def _compute_changes(
    row: OrganizationRow, created: int, event_type: str, subscription: JsonObject
) -> JsonObject:
    """Return the values that the event changes; {} for an outdated event, and another or unpaid subscription."""
    subscription_id, status = str(subscription["id"]), str(subscription.get("status"))
    has_ended = event_type == f"{SUBSCRIPTION}deleted" or status in ENDED
    if created < (row.stripe_event_at or 0) or row.stripe_ended == subscription_id:
        return {}
    current = row.stripe_subscription_id
    if current not in (None, subscription_id) and (has_ended or status not in ALIVE):
        return {}
    values: JsonObject = {"stripe_event_at": created}
    if has_ended:
        values |= {"plan": OrganizationPlan.FREE.value, "stripe_subscription_id": None}
        return values | {
            "trial_ends_at": None,
            "stripe_ended": subscription_id,
            **_compute_activity(row, is_paid=True),
        }
    if status not in ALIVE | SUSPENDED:
        return {}  # not paid for yet
    values |= {"stripe_subscription_id": subscription_id, **_compute_activity(row, is_paid=status in ALIVE)}
    values["trial_ends_at"] = _to_iso(subscription.get("trial_end"))
    if plan := _find_plan(subscription):
        values["plan"] = plan.value
    return values


def _compute_activity(row: OrganizationRow, *, is_paid: bool) -> JsonObject:
    """Return the values that suspend an organization which does not pay, or reactivate one that pays again.

    An organization that an operator suspended stays suspended.
    """
    if not is_paid:
        return {"is_active": False, "stripe_suspended": True} if row.is_active else {}
    return {"is_active": True, "stripe_suspended": None} if row.stripe_suspended else {}


def _find_plan(subscription: JsonObject) -> OrganizationPlan | None:
    """Return the plan of the first price in a subscription that we sell, or None (logged) without one."""
    items = (subscription.get("items") or {}).get("data") or []
    prices = [str((item.get("price") or {}).get("id")) for item in items]
    plan = next((plan for price in prices if (plan := billing.find_plan_by_price(price))), None)
    if plan is None:
        logger.warning("Stripe price without a plan", prices=prices)
    return plan


def _to_iso(epoch_seconds: int | None) -> str | None:
    """Return a time in seconds since 1970 as RFC 3339; None for None and 0."""
    return clock.iso(datetime.fromtimestamp(epoch_seconds, UTC)) if epoch_seconds else None
