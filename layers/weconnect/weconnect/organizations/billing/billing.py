"""Stripe's checkout and billing portal. Without a key in the secret `StripeKeys` these operations respond 501.

Stripe's own library makes the calls, outside of the guarded client: its address is fixed, so no tenant can change it.
"""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypedDict, cast
from uuid import UUID

from weconnect import mail
from weconnect.api.caller import Caller
from weconnect.db import table
from weconnect.errors import NotConfigured, UpstreamFailed
from weconnect.log import logger
from weconnect.organizations.entities import OrganizationPlan
from weconnect.organizations.errors import NoCustomer, OrganizationNotFound, SubscriptionActive
from weconnect.organizations.members import membership
from weconnect.organizations.rows import OrganizationRow
from weconnect.organizations.schemas import BillingLink, CheckoutRequest
from weconnect.secret_cache import CachedSecret
from weconnect.settings import settings

if TYPE_CHECKING:
    from stripe import StripeClient


class StripeKeys(TypedDict, total=False):
    """The secret `StripeKeys`. `apiBase` leads the calls to another address, such as that of Stripe's own mock."""

    secretKey: str
    webhookSecret: str
    prices: dict[str, str]
    apiBase: str


_secret = CachedSecret()


def load_stripe_keys() -> StripeKeys:
    """Return the secret `StripeKeys`, such as `{"secretKey": …, "prices": {"starter": "price_…"}}`.

    Raises Unavailable when it cannot be read.
    """
    return cast(StripeKeys, _secret.load(settings.stripe_keys_arn)) if settings.stripe_keys_arn else {}


def start_checkout(caller: Caller, organization_id: UUID, body: CheckoutRequest) -> BillingLink:
    """Return a link to Stripe's checkout of a plan; Stripe reports the purchase as an event.

    Raises SubscriptionActive, or NotConfigured without a key or a price.
    """
    membership.require_current_organization(caller, organization_id)
    client, return_url = _require_client(), _require_return_url()
    price = load_stripe_keys().get("prices", {}).get(body.plan.value)
    if not price:
        raise NotConfigured(f"The secret StripeKeys has no price for the plan {body.plan.value}.")
    row = _require_row(organization_id)
    if row.stripe_subscription_id:
        raise SubscriptionActive(
            "The organization already has a subscription. Change it in the billing portal."
        )
    customer = row.stripe_customer_id or _create_customer(caller, client, row)
    owner = {"organizationId": str(organization_id)}
    session = _call(
        client.v1.checkout.sessions.create,
        {
            "mode": "subscription",
            "customer": customer,
            "client_reference_id": str(organization_id),
            "line_items": [{"price": price, "quantity": 1}],
            "metadata": owner,
            "subscription_data": {"metadata": owner},
            "success_url": f"{return_url}?checkout=done",
            "cancel_url": f"{return_url}?checkout=cancelled",
        },
    )
    return BillingLink(url=str(session.url))


def open_portal(caller: Caller, organization_id: UUID) -> BillingLink:
    """Return a link to Stripe's portal, where a subscription is changed, paid and cancelled. Raises NoCustomer."""
    membership.require_current_organization(caller, organization_id)
    client, return_url = _require_client(), _require_return_url()
    row = _require_row(organization_id)
    if not row.stripe_customer_id:
        raise NoCustomer("The organization has no billing customer yet. Start a checkout first.")
    params = {"customer": row.stripe_customer_id, "return_url": return_url}
    return BillingLink(url=str(_call(client.v1.billing_portal.sessions.create, params).url))


def find_plan_by_price(price: str) -> OrganizationPlan | None:
    """Return the plan that is sold at one of Stripe's prices, or None for an unknown price."""
    plans_by_price = {price_id: plan for plan, price_id in load_stripe_keys().get("prices", {}).items()}
    return OrganizationPlan(plans_by_price[price]) if price in plans_by_price else None


def _create_customer(caller: Caller, client: "StripeClient", row: OrganizationRow) -> str:
    """Create the organization's customer at Stripe and store its ID. Idempotent at Stripe."""
    organization_id = row.id
    email = (row.billing_info or {}).get("billing_email")
    params: dict[str, Any] = {"name": row.name, "metadata": {"organizationId": organization_id}}
    customer = _call(
        client.v1.customers.create,
        params | ({"email": email} if email else {}),
        {"idempotency_key": f"customer-{organization_id}"},
    )
    values = {"stripe_customer_id": customer.id, **row.index_keys(stripe_customer_id=customer.id)}
    table.change(row, values, caller.actor())
    return str(customer.id)


def _require_client() -> "StripeClient":
    """Return Stripe's client. Raises NotConfigured without a secret key."""
    keys = load_stripe_keys()
    secret = keys.get("secretKey")
    if not secret:
        raise NotConfigured(
            "This deployment takes no payments: its secret StripeKeys has no secretKey. "
            "Ask an operator to set the plan."
        )
    return _create_client(secret, keys.get("apiBase"))


@functools.lru_cache(maxsize=2)
def _create_client(secret: str, api_base: str | None) -> "StripeClient":
    """Return Stripe's client, created once per key; `api_base` replaces Stripe's own address."""
    import stripe  # cold start

    addresses: Any = {"base_addresses": {"api": api_base}} if api_base else {}
    http_client = stripe.RequestsClient(timeout=10)
    return stripe.StripeClient(secret, http_client=http_client, max_network_retries=1, **addresses)


def _call(
    method: Callable[[Any, Any], Any], params: dict[str, Any], options: dict[str, Any] | None = None
) -> Any:
    """Return the result of a method of Stripe's client. Raises UpstreamFailed."""
    import stripe  # cold start

    try:
        return method(params, options or {})
    except stripe.StripeError as error:
        logger.warning("Stripe call failed", error=type(error).__name__, code=error.code)
        raise UpstreamFailed(
            f"Stripe rejected the call: {error.user_message or type(error).__name__}"
        ) from error


def _require_return_url() -> str:
    """Return the page to which Stripe sends the browser back; it is fixed, so that no request can choose one."""
    base = settings.app_url.rstrip("/") or mail.base_url()
    if not base:
        raise NotConfigured("This deployment has no AppUrl to which Stripe could send the browser back.")
    return f"{base}/billing"


def _require_row(organization_id: UUID) -> OrganizationRow:
    """Return the row of an organization. Raises OrganizationNotFound."""
    return table.require(OrganizationRow, OrganizationRow.at(organization_id), OrganizationNotFound)
