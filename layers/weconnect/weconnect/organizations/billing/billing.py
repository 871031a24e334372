"""Stripe: links to its checkout and its portal. Without a key in the secret `StripeKeys` these answer 501.

Stripe's own library does the calls, beside the guarded client: its address is fixed, no tenant can change it.
"""

import functools
import json
import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

from weconnect import mail
from weconnect.api.caller import Caller
from weconnect.db import table
from weconnect.errors import Conflict, NotConfigured, UpstreamFailed
from weconnect.log import logger
from weconnect.organizations.entities import OrganizationPlan
from weconnect.organizations.members import membership
from weconnect.organizations.rows import OrganizationRow
from weconnect.organizations.schemas import Checkout, Link
from weconnect.settings import settings

if TYPE_CHECKING:
    from stripe import StripeClient

KEEP_SECONDS = 300

_keys: tuple[float, dict[str, Any]] = (float("-inf"), {})


def keys() -> dict[str, Any]:
    """The secret `{"secretKey", "webhookSecret", "prices": {"starter": "price_…"}}`, read every five minutes.

    `apiBase` beside them leads the calls to another address, such as Stripe's own mock.
    """
    global _keys
    if time.monotonic() - _keys[0] > KEEP_SECONDS and settings.stripe_keys_arn:
        import boto3

        client = boto3.client("secretsmanager", region_name=settings.region)
        found = json.loads(client.get_secret_value(SecretId=settings.stripe_keys_arn)["SecretString"])
        _keys = time.monotonic(), found
    return _keys[1]


def start_checkout(caller: Caller, organization_id: UUID, body: Checkout) -> Link:
    """A link to Stripe's checkout of a plan; what was bought comes back as an event."""
    membership.require_current(caller, organization_id)
    client, back = _client(), _back()
    price = keys().get("prices", {}).get(body.plan.value)
    if not price:
        raise NotConfigured(f"The secret StripeKeys has no price for the plan {body.plan.value}")
    row = _need(organization_id)
    if row.stripe_subscription_id:
        raise Conflict("There is a subscription already; change it in the portal", code="subscription_active")
    customer = row.stripe_customer_id or _make_customer(caller, client, row)
    owner = {"organizationId": str(organization_id)}
    session = _ask(
        client.v1.checkout.sessions.create,
        {
            "mode": "subscription",
            "customer": customer,
            "client_reference_id": str(organization_id),
            "line_items": [{"price": price, "quantity": 1}],
            "metadata": owner,
            "subscription_data": {"metadata": owner},
            "success_url": f"{back}?checkout=done",
            "cancel_url": f"{back}?checkout=cancelled",
        },
    )
    return Link(url=str(session.url))


def open_portal(caller: Caller, organization_id: UUID) -> Link:
    """A link to Stripe's portal, where a subscription is changed, paid and ended."""
    membership.require_current(caller, organization_id)
    client, back = _client(), _back()
    row = _need(organization_id)
    if not row.stripe_customer_id:
        raise Conflict("Nothing was ever bought; start a checkout first", code="no_customer")
    asked = {"customer": row.stripe_customer_id, "return_url": back}
    return Link(url=str(_ask(client.v1.billing_portal.sessions.create, asked).url))


def plan_of_price(price: str) -> OrganizationPlan | None:
    """The plan that a price stands for."""
    plans = {found: plan for plan, found in keys().get("prices", {}).items()}
    return OrganizationPlan(plans[price]) if price in plans else None


def _make_customer(caller: Caller, client: "StripeClient", row: OrganizationRow) -> str:
    """A customer for the organization; asked twice, Stripe answers the same one."""
    organization_id = str(row.id)
    email = (row.billing_info or {}).get("billing_email")
    asked = {"name": row.name, "metadata": {"organizationId": organization_id}}
    made = _ask(
        client.v1.customers.create,
        asked | ({"email": email} if email else {}),
        {"idempotency_key": f"customer-{organization_id}"},
    )
    values = {"stripe_customer_id": made.id, **row.index_keys(stripe_customer_id=made.id)}
    table.change(row, values, caller.actor())
    return str(made.id)


def _client() -> "StripeClient":
    secret = keys().get("secretKey")
    if not secret:
        raise NotConfigured(
            "This deployment takes no payments: its secret StripeKeys has no secretKey; an operator sets the plan"
        )
    return _make_client(secret, keys().get("apiBase"))


@functools.lru_cache(maxsize=2)
def _make_client(secret: str, api_base: str | None) -> "StripeClient":
    import stripe  # half a second that only these routes pay

    addresses: Any = {"base_addresses": {"api": api_base}} if api_base else {}
    timeout = stripe.RequestsClient(timeout=10)
    return stripe.StripeClient(secret, http_client=timeout, max_network_retries=1, **addresses)


def _ask(call: Any, asked: dict[str, Any], options: dict[str, Any] | None = None) -> Any:
    import stripe

    try:
        return call(asked, options or {})
    except stripe.StripeError as error:
        logger.warning("Stripe refused", error=type(error).__name__, code=error.code)
        raise UpstreamFailed(f"Stripe did not do it: {error.user_message or type(error).__name__}") from error


def _back() -> str:
    """Where Stripe sends the browser back; a fixed address, so that no request can choose one."""
    base = settings.app_url.rstrip("/") or mail.base_url()
    if not base:
        raise NotConfigured("This deployment has no AppUrl to come back to")
    return f"{base}/billing"


def _need(organization_id: UUID) -> OrganizationRow:
    return table.need(OrganizationRow, OrganizationRow.at(organization_id), "organization")
