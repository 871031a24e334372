"""Stripe: its events, signed by its own library, and our calls against a fake of its API on this machine.

Nothing here was sent to Stripe.
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

from tests.factories import Registered, registered
from tests.gateway import Answer, Client
from tests.organizations.people import code, colleague, path
from weconnect.db import table
from weconnect.organizations.billing import billing
from weconnect.organizations.rows import OrganizationRow, StripeEventRow
from weconnect.settings import settings

SECRET = "whsec_test"
PRICES = {"starter": "price_starter", "pro": "price_pro"}
NOW = int(time.time())


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    found = {"secretKey": "sk_test_1", "webhookSecret": SECRET, "prices": PRICES}
    monkeypatch.setattr(billing, "keys", lambda: found)
    object.__setattr__(settings, "app_url", "https://app.example.com/")
    yield found
    object.__setattr__(settings, "app_url", "")


class Stripe(HTTPServer):
    """Answers what Stripe would, and keeps what was asked."""

    asked: list[tuple[str, dict[str, list[str]], dict[str, str]]]
    refuses: int = 0


class Handler(BaseHTTPRequestHandler):
    server: Stripe

    def do_POST(self) -> None:
        body = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        self.server.asked.append((self.path, body, dict(self.headers.items())))
        kind = {"/v1/customers": "customer", "/v1/checkout/sessions": "checkout.session"}.get(self.path, "x")
        found: dict[str, Any] = {"id": "cus_1", "object": kind, "url": f"https://stripe.example{self.path}"}
        if self.server.refuses:
            found = {"error": {"message": "No such price", "type": "invalid_request_error", "code": "x"}}
        text = json.dumps(found).encode()
        self.send_response(self.server.refuses or 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def fake(keys: dict[str, Any]) -> Iterator[Stripe]:
    server = Stripe(("127.0.0.1", 0), Handler)
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    keys["apiBase"] = f"http://127.0.0.1:{server.server_port}"
    yield server
    billing._make_client.cache_clear()
    server.shutdown()
    server.server_close()


def customer(person: Registered, **more: Any) -> None:
    """Give a person's organization a customer."""
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


def send(found: Any, *, secret: str = SECRET, when: int | None = None, header: str | None = None) -> Answer:
    """Send an event as Stripe does, with a signature of its library's making."""
    text = found if isinstance(found, str) else json.dumps(found, indent=1)
    signed = stripe.WebhookSignature.generate_signature_header(text, secret, when)
    headers = {"Stripe-Signature": signed if header is None else header}
    return Client().call("POST", "/v1/billing/stripe-events", raw=text, headers=headers)


def stands(person: Registered) -> tuple[Any, ...]:
    row = OrganizationRow.get(*OrganizationRow.at(person.organization["id"]))
    return row.plan, row.stripe_subscription_id, row.is_active


def test_without_a_key_there_are_no_payments(aws: None) -> None:
    owner = registered()
    for asked in (
        owner.client.post(path(owner, "/billing/checkout"), {"plan": "pro"}),
        owner.client.post(path(owner, "/billing/portal")),
        send(event("evt_1")),
    ):
        assert code(asked) == (501, "not_configured") and "StripeKeys" in asked.json["detail"]


def test_checkout(aws: None, fake: Stripe) -> None:
    owner = registered(organizationName="Engines")
    answer = owner.client.post(path(owner, "/billing/checkout"), {"plan": "pro"})
    assert (answer.status, answer.json) == (200, {"url": "https://stripe.example/v1/checkout/sessions"})
    (made, _, headers), (checkout, asked, _) = fake.asked
    assert (made, headers["Idempotency-Key"]) == ("/v1/customers", f"customer-{owner.organization['id']}")
    assert headers["Authorization"] == "Bearer sk_test_1" and checkout == "/v1/checkout/sessions"
    assert asked["line_items[0][price]"] == ["price_pro"] and asked["mode"] == ["subscription"]
    assert asked["customer"] == ["cus_1"] and asked["client_reference_id"] == [owner.organization["id"]]
    assert asked["success_url"] == ["https://app.example.com/billing?checkout=done"]
    row = OrganizationRow.get(*OrganizationRow.at(owner.organization["id"]))
    assert (row.stripe_customer_id, row.gsi1pk) == ("cus_1", "STRIPE#cus_1")
    owner.client.post(path(owner, "/billing/checkout"), {"plan": "starter"})
    assert [place for place, *_ in fake.asked].count("/v1/customers") == 1
    assert owner.client.post(path(owner, "/billing/portal")).json["url"].endswith("/billing_portal/sessions")
    assert fake.asked[-1][1]["return_url"] == ["https://app.example.com/billing"]
    table.change(row := OrganizationRow.get(row.pk, row.sk), {"stripe_subscription_id": "sub_1"}, {})
    again = owner.client.post(path(owner, "/billing/checkout"), {"plan": "starter"})
    assert code(again) == (409, "subscription_active")


def test_what_stripe_refuses(aws: None, fake: Stripe) -> None:
    owner = registered()
    fake.refuses = 400
    answer = owner.client.post(path(owner, "/billing/checkout"), {"plan": "pro"})
    assert code(answer) == (502, "upstream_failed") and "No such price" in answer.json["detail"]
    missing = owner.client.post(path(owner, "/billing/checkout"), {"plan": "enterprise"})
    assert code(missing) == (501, "not_configured")
    assert code(owner.client.post(path(owner, "/billing/portal"))) == (409, "no_customer")
    assert code(owner.client.post(path(owner, "/billing/checkout"), {"plan": "free"})) == (422, "invalid")


def test_billing_is_the_owners(aws: None, fake: Stripe) -> None:
    owner = registered()
    admin = colleague(owner, "admin")
    answer = admin.client.post(path(owner, "/billing/checkout"), {"plan": "pro"})
    assert code(answer) == (403, "permission_missing") and not fake.asked


def test_a_subscription_moves_the_plan(aws: None, keys: dict[str, Any]) -> None:
    owner = registered()
    customer(owner)
    trial = event("evt_1", "created", status="trialing", trial_end=NOW + 86_400)
    assert send(trial).json == {"received": True}
    assert stands(owner) == ("pro", "sub_1", True)
    found = owner.client.get(path(owner)).json
    assert found["trialEndsAt"] and not found["isTrialExpired"] and found["stripeSubscriptionId"] == "sub_1"
    send(event("evt_2", created=NOW + 1, price="price_starter"))
    assert stands(owner) == ("starter", "sub_1", True)
    assert owner.client.get(path(owner)).json["trialEndsAt"] is None
    send(event("evt_3", created=NOW + 2, price="price_unheard_of"))
    assert stands(owner) == ("starter", "sub_1", True)
    send(event("evt_4", created=NOW + 3, status="unpaid", price="price_starter"))
    assert stands(owner) == ("starter", "sub_1", False)
    row = OrganizationRow.get(*OrganizationRow.at(owner.organization["id"]))
    assert row.gsi2sk.startswith("inactive#")
    send(event("evt_5", created=NOW + 4, price="price_starter"))
    assert stands(owner) == ("starter", "sub_1", True)
    send(event("evt_6", "deleted", created=NOW + 5, status="canceled"))
    assert stands(owner) == ("free", None, True)


def test_events_twice_and_out_of_order(aws: None, keys: dict[str, Any]) -> None:
    owner = registered()
    customer(owner)
    first = event("evt_1", "created", created=NOW)
    assert [send(first).status for _ in range(2)] == [200, 200] and stands(owner)[0] == "pro"
    send(event("evt_3", created=NOW + 20, price="price_starter"))
    send(event("evt_2", created=NOW + 10, price="price_pro"))
    assert stands(owner) == ("starter", "sub_1", True), "an older one comes later"
    send(event("evt_5", "deleted", created=NOW + 40))
    send(event("evt_4", created=NOW + 40, price="price_pro"))
    assert stands(owner) == ("free", None, True), "what has ended does not come back in the same second"
    send(event("evt_6", "created", created=NOW + 50, id="sub_2"))
    send(event("evt_7", "deleted", created=NOW + 60))
    assert stands(owner) == ("pro", "sub_2", True), "the end of another subscription"
    row = OrganizationRow.get(*OrganizationRow.at(owner.organization["id"]))
    version = row.version
    send(first)
    row.refresh(consistent_read=True)
    assert row.version == version
    assert table.get(StripeEventRow, StripeEventRow.at("evt_1")).ttl > NOW


def test_who_was_suspended_by_others_stays_so(aws: None, keys: dict[str, Any]) -> None:
    owner = registered()
    customer(owner, is_active=False)
    send(event("evt_1"))
    assert stands(owner) == ("pro", "sub_1", False)


def test_an_organization_is_found_by_what_the_checkout_wrote(aws: None, keys: dict[str, Any]) -> None:
    owner, other = registered(), registered()
    customer(owner)
    row = OrganizationRow.get(*OrganizationRow.at(owner.organization["id"]))
    table.change(row, {"gsi1pk": None, "gsi1sk": None}, {})  # the index lags behind
    send(event("evt_1", metadata={"organizationId": owner.organization["id"]}))
    assert stands(owner)[0] == "pro"
    send(event("evt_2", customer="cus_2", metadata={"organizationId": other.organization["id"]}))
    assert stands(other)[0] == "enterprise", "a customer that is not this organization's"


@pytest.mark.parametrize(
    "found",
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
def test_what_is_not_ours_is_taken_and_ignored(aws: None, keys: dict[str, Any], found: Any) -> None:
    owner = registered()
    customer(owner)
    answer = send(found)
    assert (answer.status, answer.json) == (200, {"received": True}) and stands(owner)[0] == "free"


def test_signatures(aws: None, keys: dict[str, Any]) -> None:
    owner = registered()
    customer(owner)
    good = event("evt_1")
    signed = stripe.WebhookSignature.generate_signature_header(json.dumps(good), SECRET)
    for answer in (
        send(good, secret="whsec_other"),
        send(good, when=int(time.time()) - 301),
        send(good, header=""),
        send(good, header="t=1,v1=00"),
        send(good, header="nonsense"),
        send(json.dumps(good) + " ", header=signed),
    ):
        assert code(answer) == (400, "invalid_signature")
    for text in ("[]", "{}", "nonsense", '{"id":"evt_1","object":"event"}'):
        assert code(send(text)) == (400, "invalid_event")
    assert stands(owner)[0] == "free"
    assert send(good).status == 200 and stands(owner)[0] == "pro"
