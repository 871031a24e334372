"""Stripe's events, signed by its own library, and our calls to a local fake of its API.

Nothing is sent to Stripe.
"""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
import stripe

from tests.factories import RegisteredUser, register
from tests.gateway import ApiResponse, Client
from tests.organizations.organization_helpers import organization_path, register_member, status_and_code
from weconnect.db import table
from weconnect.organizations.billing import billing
from weconnect.organizations.rows import OrganizationRow, StripeEventRow
from weconnect.settings import settings

SECRET = "whsec_test"
PRICES = {"starter": "price_starter", "pro": "price_pro"}
NOW = int(time.time())


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    secret = {"secretKey": "sk_test_1", "webhookSecret": SECRET, "prices": PRICES}
    monkeypatch.setattr(billing._secret, "_value", secret)
    object.__setattr__(settings, "app_url", "https://app.example.com/")
    yield secret
    object.__setattr__(settings, "app_url", "")


class Stripe(HTTPServer):
    """A fake of Stripe's API that records the requests; `failure_status` makes it refuse them."""

    requests: list[tuple[str, dict[str, list[str]], dict[str, str]]]
    failure_status: int = 0


class Handler(BaseHTTPRequestHandler):
    server: Stripe

    def do_POST(self) -> None:
        body = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        self.server.requests.append((self.path, body, dict(self.headers.items())))
        kind = {"/v1/customers": "customer", "/v1/checkout/sessions": "checkout.session"}.get(self.path, "x")
        response: dict[str, Any] = {
            "id": "cus_1",
            "object": kind,
            "url": f"https://stripe.example{self.path}",
        }
        if self.server.failure_status:
            response = {"error": {"message": "No such price", "type": "invalid_request_error", "code": "x"}}
        text = json.dumps(response).encode()
        self.send_response(self.server.failure_status or 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@pytest.fixture
def fake(keys: dict[str, Any]) -> Iterator[Stripe]:
    server = Stripe(("127.0.0.1", 0), Handler)
    server.requests = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    keys["apiBase"] = f"http://127.0.0.1:{server.server_port}"
    yield server
    billing._create_client.cache_clear()
    server.shutdown()
    server.server_close()


def add_customer(person: RegisteredUser, **more: Any) -> None:
    """Give the user's organization a customer at Stripe and the plan `free`."""
    row = OrganizationRow.get(*OrganizationRow.at(person.organization["id"]))
    keys = {"gsi1pk": OrganizationRow.by_stripe_customer("cus_1"), "gsi1sk": str(row.id)}
    table.change(row, {"plan": "free", "stripe_customer_id": "cus_1", **keys, **more}, {})


def event(number: str, kind: str = "updated", created: int = NOW, **more: Any) -> dict[str, Any]:
    price = more.pop("price", "price_pro")
    subscription = {
        "id": "sub_1",
        "object": "subscription",
        "customer": "cus_1",
        "status": "active",
        "trial_end": None,
        "metadata": {},
        "items": {"object": "list", "data": [{"id": "si_1", "price": {"id": price, "object": "price"}}]},
    }
    return {
        "id": number,
        "object": "event",
        "type": f"customer.subscription.{kind}",
        "created": created,
        "data": {"object": subscription | more},
    }


def send(
    event: Any, *, secret: str = SECRET, when: int | None = None, header: str | None = None
) -> ApiResponse:
    """Send an event as Stripe does, signed by its library."""
    text = event if isinstance(event, str) else json.dumps(event, indent=1)
    signed = stripe.WebhookSignature.generate_signature_header(text, secret, when)
    headers = {"Stripe-Signature": signed if header is None else header}
    return Client().call("POST", "/v1/billing/stripe-events", raw=text, headers=headers)


def subscription_state(person: RegisteredUser) -> tuple[Any, ...]:
    row = OrganizationRow.get(*OrganizationRow.at(person.organization["id"]))
    return row.plan, row.stripe_subscription_id, row.is_active


def test_without_a_key_billing_is_not_configured(aws: None) -> None:
    owner = register()
    for response in (
        owner.client.post(organization_path(owner, "/billing/checkout"), {"plan": "pro"}),
        owner.client.post(organization_path(owner, "/billing/portal")),
        send(event("evt_1")),
    ):
        assert (
            status_and_code(response) == (501, "not_configured") and "StripeKeys" in response.json["detail"]
        )


def test_a_checkout_creates_one_customer_and_links_to_stripe(aws: None, fake: Stripe) -> None:
    owner = register(organizationName="Engines")
    response = owner.client.post(organization_path(owner, "/billing/checkout"), {"plan": "pro"})
    assert (response.status, response.json) == (200, {"url": "https://stripe.example/v1/checkout/sessions"})
    (customers, _, headers), (checkout, params, _) = fake.requests
    assert (customers, headers["Idempotency-Key"]) == (
        "/v1/customers",
        f"customer-{owner.organization['id']}",
    )
    assert headers["Authorization"] == "Bearer sk_test_1" and checkout == "/v1/checkout/sessions"
    assert params["line_items[0][price]"] == ["price_pro"] and params["mode"] == ["subscription"]
    assert params["customer"] == ["cus_1"] and params["client_reference_id"] == [owner.organization["id"]]
    assert params["success_url"] == ["https://app.example.com/billing?checkout=done"]
    row = OrganizationRow.get(*OrganizationRow.at(owner.organization["id"]))
    assert (row.stripe_customer_id, row.gsi1pk) == ("cus_1", "STRIPE#cus_1")
    owner.client.post(organization_path(owner, "/billing/checkout"), {"plan": "starter"})
    assert [url_path for url_path, *_ in fake.requests].count("/v1/customers") == 1
    assert (
        owner.client.post(organization_path(owner, "/billing/portal"))
        .json["url"]
        .endswith("/billing_portal/sessions")
    )
    assert fake.requests[-1][1]["return_url"] == ["https://app.example.com/billing"]
    table.change(row := OrganizationRow.get(row.pk, row.sk), {"stripe_subscription_id": "sub_1"}, {})
    again = owner.client.post(organization_path(owner, "/billing/checkout"), {"plan": "starter"})
    assert status_and_code(again) == (409, "subscription_active")


def test_refusals_of_stripe_and_missing_prices_are_reported(aws: None, fake: Stripe) -> None:
    owner = register()
    fake.failure_status = 400
    response = owner.client.post(organization_path(owner, "/billing/checkout"), {"plan": "pro"})
    assert (
        status_and_code(response) == (502, "upstream_failed") and "No such price" in response.json["detail"]
    )
    missing = owner.client.post(organization_path(owner, "/billing/checkout"), {"plan": "enterprise"})
    assert status_and_code(missing) == (501, "not_configured")
    assert status_and_code(owner.client.post(organization_path(owner, "/billing/portal"))) == (
        409,
        "no_customer",
    )
    assert status_and_code(
        owner.client.post(organization_path(owner, "/billing/checkout"), {"plan": "free"})
    ) == (422, "invalid")


def test_without_an_address_stripe_cannot_send_the_browser_back(aws: None, keys: dict[str, Any]) -> None:
    object.__setattr__(settings, "app_url", "")
    me = register()
    answer = me.client.post(f"{organization_path(me)}/billing/checkout", {"plan": "pro"})
    assert answer.json["detail"].startswith("This deployment has no AppUrl"), answer.text


def test_an_admin_may_not_start_a_checkout(aws: None, fake: Stripe) -> None:
    owner = register()
    admin = register_member(owner, "admin")
    response = admin.client.post(organization_path(owner, "/billing/checkout"), {"plan": "pro"})
    assert status_and_code(response) == (403, "permission_missing") and not fake.requests


def test_a_subscription_sets_plan_trial_and_status(aws: None, keys: dict[str, Any]) -> None:
    owner = register()
    add_customer(owner)
    trial = event("evt_1", "created", status="trialing", trial_end=NOW + 86_400)
    assert send(trial).json == {"received": True}
    assert subscription_state(owner) == ("pro", "sub_1", True)
    organization = owner.client.get(organization_path(owner)).json
    assert (
        organization["trialEndsAt"]
        and not organization["isTrialExpired"]
        and organization["stripeSubscriptionId"] == "sub_1"
    )
    send(event("evt_2", created=NOW + 1, price="price_starter"))
    assert subscription_state(owner) == ("starter", "sub_1", True)
    assert owner.client.get(organization_path(owner)).json["trialEndsAt"] is None
    send(event("evt_3", created=NOW + 2, price="price_unheard_of"))
    assert subscription_state(owner) == ("starter", "sub_1", True)
    send(event("evt_4", created=NOW + 3, status="unpaid", price="price_starter"))
    assert subscription_state(owner) == ("starter", "sub_1", False)
    row = OrganizationRow.get(*OrganizationRow.at(owner.organization["id"]))
    assert row.gsi2sk and row.gsi2sk.startswith("inactive#")
    send(event("evt_5", created=NOW + 4, price="price_starter"))
    assert subscription_state(owner) == ("starter", "sub_1", True)
    send(event("evt_6", "deleted", created=NOW + 5, status="canceled"))
    assert subscription_state(owner) == ("free", None, True)


def test_repeated_and_outdated_events_change_nothing(aws: None, keys: dict[str, Any]) -> None:
    owner = register()
    add_customer(owner)
    first = event("evt_1", "created", created=NOW)
    assert [send(first).status for _ in range(2)] == [200, 200] and subscription_state(owner)[0] == "pro"
    send(event("evt_3", created=NOW + 20, price="price_starter"))
    send(event("evt_2", created=NOW + 10, price="price_pro"))
    assert subscription_state(owner) == ("starter", "sub_1", True), "an older event arrives later"
    send(event("evt_5", "deleted", created=NOW + 40))
    send(event("evt_4", created=NOW + 40, price="price_pro"))
    assert subscription_state(owner) == ("free", None, True), (
        "an ended subscription is not revived within the same second"
    )
    send(event("evt_6", "created", created=NOW + 50, id="sub_2"))
    send(event("evt_7", "deleted", created=NOW + 60))
    assert subscription_state(owner) == ("pro", "sub_2", True), "another subscription ended"
    row = OrganizationRow.get(*OrganizationRow.at(owner.organization["id"]))
    version = row.version
    send(first)
    row.refresh(consistent_read=True)
    assert row.version == version
    assert (StripeEventRow.get(*StripeEventRow.at("evt_1")).ttl or 0) > NOW


def test_an_organization_that_an_operator_suspended_stays_suspended(aws: None, keys: dict[str, Any]) -> None:
    owner = register()
    add_customer(owner, is_active=False)
    send(event("evt_1"))
    assert subscription_state(owner) == ("pro", "sub_1", False)


def test_an_organization_is_found_by_the_metadata_of_the_checkout(aws: None, keys: dict[str, Any]) -> None:
    owner, other = register(), register()
    add_customer(owner)
    row = OrganizationRow.get(*OrganizationRow.at(owner.organization["id"]))
    table.change(row, {"gsi1pk": None, "gsi1sk": None}, {})  # as if the index lagged behind
    send(event("evt_1", metadata={"organizationId": owner.organization["id"]}))
    assert subscription_state(owner)[0] == "pro"
    send(event("evt_2", customer="cus_2", metadata={"organizationId": other.organization["id"]}))
    assert subscription_state(other)[0] == "enterprise", "the customer of another organization"


@pytest.mark.parametrize(
    "stripe_event",
    [
        event("evt_1", customer="cus_unknown"),
        event("evt_1", metadata={"organizationId": "no id"}, customer="cus_unknown"),
        {**event("evt_1"), "type": "invoice.paid"},
        {
            **event("evt_1"),
            "type": "customer.subscription.updated",
            "data": {"object": {"object": "invoice"}},
        },
    ],
)
def test_events_of_unknown_customers_are_accepted_and_ignored(
    aws: None, keys: dict[str, Any], stripe_event: Any
) -> None:
    owner = register()
    add_customer(owner)
    response = send(stripe_event)
    assert (response.status, response.json) == (200, {"received": True}) and subscription_state(owner)[
        0
    ] == "free"


def test_events_with_wrong_signatures_are_refused(aws: None, keys: dict[str, Any]) -> None:
    owner = register()
    add_customer(owner)
    good = event("evt_1")
    signed = stripe.WebhookSignature.generate_signature_header(json.dumps(good), SECRET)
    for response in (
        send(good, secret="whsec_other"),
        send(good, when=int(time.time()) - 301),
        send(good, header=""),
        send(good, header="t=1,v1=00"),
        send(good, header="nonsense"),
        send(json.dumps(good) + " ", header=signed),
    ):
        assert status_and_code(response) == (400, "invalid_signature")
    for text in ("[]", "{}", "nonsense", '{"id":"evt_1","object":"event"}'):
        assert status_and_code(send(text)) == (400, "invalid_event")
    assert subscription_state(owner)[0] == "free"
    assert send(good).status == 200 and subscription_state(owner)[0] == "pro"
