"""Accounts of other people's addresses: what a squatter cannot set up, and what a reset by mail leaves of the rest."""

from typing import Any
from uuid import UUID

import pytest

from tests.auth import sent_mails
from tests.auth.fake_identity_provider import (
    FakeIdentityProvider,
    change_user,
    put_provider,
    set_security,
    sign_in,
)
from tests.auth.sso_accounts import status_and_code
from tests.executions.execution_helpers import create_workflow
from tests.factories import RegisteredUser, client_with_tokens, register
from tests.gateway import Client
from tests.workflows.definitions import definition, node
from weconnect.identity.rows import UserRow
from weconnect.settings import settings

VICTIM, NEW = "victim@corp.example", "Another-Horse-8-Battery"
FLOW = definition([node("a", "set", values={"x": 1})], "start > a")


def organization(person: RegisteredUser, suffix: str = "") -> str:
    return f"/v1/organizations/{person.organization['id']}{suffix}"


def take_over() -> Client:
    """Reset the password by mail, as the holder of the address does, and sign in."""
    assert Client().post("/v1/auth/forgot-password", {"email": VICTIM}).status == 204
    body = {"token": sent_mails.last_token(), "password": NEW}
    assert Client().post("/v1/auth/reset-password", body).status == 204
    response = Client().post("/v1/auth/login", {"email": VICTIM, "password": NEW})
    assert response.status == 200, response.text
    return client_with_tokens(response.json)


SET_UP: dict[str, tuple[str, str, Any]] = {
    "identity provider": ("PUT", "{organization}/identity-provider", {"clientId": "c", "clientSecret": "s"}),
    "second factor": ("POST", "/v1/auth/mfa/enroll", None),
    "invitation": ("POST", "{organization}/invitations", {"email": "mate@evil.example"}),
    "link": ("POST", "{flow}/shares", {"link": True}),
}
"""Requests that let others into an account or an organization, or data out of it."""


@pytest.mark.parametrize("request_name", SET_UP)
def test_an_unverified_user_sets_up_nothing_that_outlives_a_takeover(
    aws: None, idp: FakeIdentityProvider, monkeypatch: pytest.MonkeyPatch, request_name: str
) -> None:
    squatter = register(VICTIM)
    method, path, body = SET_UP[request_name]
    path = path.format(organization=organization(squatter), flow=create_workflow(squatter, FLOW))
    body = {**body, "issuer": idp.issuer} if path.endswith("provider") else body
    assert status_and_code(squatter.client.call(method, path, body)) == (403, "email_not_verified")
    with monkeypatch.context() as patch:
        patch.setitem(settings.__dict__, "mail_from", "")
        response = squatter.client.call(method, path, body)
        assert response.status in (200, 201), "without a sender, every address counts as verified"


def test_a_reset_drops_all_that_a_squatter_set_up_and_proves_the_address(
    aws: None, idp: FakeIdentityProvider
) -> None:
    squatter = register(VICTIM)
    flow = create_workflow(squatter, FLOW)
    key = squatter.client.post("/v1/api-keys", {"name": "k", "scopes": ["*"]}).json["key"]
    change_user(squatter, email_verified=True)  # as it was possible before the rule above
    link = squatter.client.post(f"{flow}/shares", {"link": True}).json["token"]
    assert (
        squatter.client.post(organization(squatter, "/invitations"), {"email": "m@evil.example"}).status
        == 201
    )
    assert put_provider(squatter, idp).json["signsInOwners"] is True
    inside = sign_in(idp, squatter, VICTIM, sub="squatter")
    assert inside.status == 200, inside.text
    assert squatter.client.post("/v1/auth/mfa/enroll").status == 200
    assert squatter.client.post(f"{flow}/activate", {}).status == 200
    set_security(squatter, enforce_sso=True)
    change_user(squatter, email_verified=False, mfa_enabled=True)
    holder = take_over()
    me = holder.get("/v1/users/me").json
    assert (me["emailVerified"], me["mfaEnabled"]) == (True, False)
    assert me["currentOrganizationId"] == squatter.organization["id"]
    assert holder.get(organization(squatter, "/identity-provider")).status == 404
    assert holder.get(organization(squatter)).json["customSettings"]["security"]["enforceSSO"] is False
    for path in (organization(squatter, "/invitations"), "/v1/api-keys", f"{flow}/shares"):
        assert holder.get(path).json["items"] == [], path
    assert len(holder.get("/v1/auth/sessions").json["items"]) == 1
    assert Client().get(f"/v1/shared/{link}").status == 404
    assert Client(headers={"X-API-Key": key}).get("/v1/agents").status == 401
    assert holder.get(flow).json["status"] == "inactive"
    for tokens in (squatter.tokens, inside.json):
        refreshed = Client().post("/v1/auth/refresh", {"refreshToken": tokens["refreshToken"]})
        assert status_and_code(refreshed) == (401, "session_ended")


def test_an_ended_session_sets_no_provider_and_no_link(aws: None, idp: FakeIdentityProvider) -> None:
    """The access token of the squatter is valid for some minutes after the takeover, and the address is proved now."""
    squatter = register(VICTIM)
    flow = create_workflow(squatter, FLOW)
    take_over()
    assert status_and_code(put_provider(squatter, idp)) == (401, "session_ended")
    assert status_and_code(squatter.client.post(f"{flow}/shares", {"link": True})) == (401, "session_ended")


def test_a_reset_of_a_verified_account_keeps_what_its_holder_set_up(
    aws: None, idp: FakeIdentityProvider
) -> None:
    person = register(VICTIM, verified=True)
    key = person.client.post("/v1/api-keys", {"name": "k", "scopes": ["*"]}).json["key"]
    assert put_provider(person, idp).status == 200
    holder = take_over()
    assert holder.get(organization(person, "/identity-provider")).status == 200
    assert Client(headers={"X-API-Key": key}).get("/v1/agents").status == 200


def test_single_sign_on_reaches_no_account_whose_address_is_not_proved(
    aws: None, idp: FakeIdentityProvider
) -> None:
    squatter = register(VICTIM, verified=True)
    put_provider(squatter, idp)
    change_user(squatter, email_verified=False)
    assert status_and_code(sign_in(idp, squatter, VICTIM)) == (403, "email_not_verified")
    change_user(squatter, email_verified=True)
    assert sign_in(idp, squatter, VICTIM).status == 200
    change_user(squatter, email_verified=False)
    assert status_and_code(sign_in(idp, squatter, VICTIM)) == (403, "email_not_verified"), "also when linked"


def test_a_reset_with_the_address_of_an_operator_makes_its_user_an_operator(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.__dict__, "operator_emails", frozenset({VICTIM}))
    person = register(VICTIM)
    assert take_over().get("/v1/users").status == 200
    assert UserRow.get(*UserRow.at(UUID(person.user["id"]))).role == "admin"
