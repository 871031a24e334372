"""Operations that nobody can take back need a password, a code of the second factor, or a recent sign-in."""

import hashlib
import json
from typing import Any

import pyotp
import pytest

from tests.auth.fake_identity_provider import (
    FakeIdentityProvider,
    change_user,
    register_with_provider,
    sign_in,
)
from tests.auth.movable_clock import MovableClock
from tests.factories import PASSWORD, RegisteredUser, add_member, client_with_tokens, register
from tests.gateway import ApiResponse, Client
from tests.moto_table import table_items
from tests.organizations.organization_helpers import (
    client_with_new_key,
    member_path,
    organization_path,
    register_member,
    register_verified,
    status_and_code,
)
from weconnect import clock

ME = "/v1/users/me"


def delete_account(person: RegisteredUser, body: dict[str, Any] | None) -> ApiResponse:
    return person.client.call("DELETE", ME, body)


def transfer_organization(person: RegisteredUser, body: dict[str, Any] | None) -> ApiResponse:
    heir = register_member(person, "member")
    named = {"userId": heir.user["id"], **(body or {})}
    return person.client.post(organization_path(person, "/transfer-ownership"), named)


def purge_organization(person: RegisteredUser, body: dict[str, Any] | None) -> ApiResponse:
    path = organization_path(person)
    person.client.delete(path)
    return person.client.call("DELETE", f"{path}?purge=true", body)


ACTS = [delete_account, transfer_organization, purge_organization]


@pytest.mark.parametrize("act", ACTS)
def test_it_takes_the_password(aws: None, act: Any) -> None:
    person = register()
    assert status_and_code(act(person, None)) == (403, "confirmation_required")
    assert status_and_code(act(person, {})) == (403, "confirmation_required")
    assert status_and_code(act(person, {"password": "not this one"})) == (422, "wrong_password")
    assert person.client.get(ME).status == 200
    assert act(person, {"password": PASSWORD}).status in (200, 204)


@pytest.mark.parametrize("act", ACTS)
def test_it_takes_a_code_of_the_second_factor_once(aws: None, act: Any, time: MovableClock) -> None:
    person = register_verified()
    enrolled = person.client.post("/v1/auth/mfa/enroll").json
    code = pyotp.TOTP(enrolled["secret"]).at(clock.now())
    assert person.client.post("/v1/auth/mfa/confirm", {"code": code, "password": PASSWORD}).status == 204
    assert status_and_code(act(person, {"mfaCode": code})) == (422, "invalid_mfa_code"), "it was used before"
    assert status_and_code(act(person, None)) == (403, "confirmation_required")
    assert act(person, {"mfaCode": enrolled["recoveryCodes"][0]}).status in (200, 204)


@pytest.mark.parametrize("field", ["password", "mfaCode"])
def test_attempts_are_throttled_as_sign_ins_are(aws: None, field: str) -> None:
    person = register("ada@example.com")
    attempts = [delete_account(person, {field: "wrong-one"}).status for _ in range(6)]
    assert attempts == [422] * 5 + [429]
    right = {"email": "ada@example.com", "password": PASSWORD}
    assert Client().post("/v1/auth/login", right).status == 429


def test_who_has_neither_signs_in_again(aws: None, idp: FakeIdentityProvider, time: MovableClock) -> None:
    owner = register_with_provider(idp)
    tokens = sign_in(idp, owner, "grace@example.com").json
    grace = RegisteredUser(
        client_with_tokens(tokens), client_with_tokens(tokens).get(ME).json, owner.organization, tokens
    )
    change_user(grace, email_verified=True)  # an owner has proved their address
    promotion = {"role": "owner", "password": PASSWORD}
    assert owner.client.patch(member_path(owner, grace), promotion).status == 200
    heir = {"userId": owner.user["id"]}
    path = organization_path(owner, "/transfer-ownership")
    time.advance(minutes=5, seconds=1)
    assert status_and_code(grace.client.post(path, heir)) == (403, "sign_in_again")
    fresh = client_with_tokens(sign_in(idp, owner, "grace@example.com").json)
    time.advance(minutes=5)
    assert fresh.post(path, heir).status == 200


def test_an_api_key_confirms_nothing(aws: None) -> None:
    person = register()
    key = client_with_new_key(person, "*")
    body = {"password": PASSWORD, "userId": person.user["id"]}
    for response in (
        key.call("DELETE", ME, {"password": PASSWORD}),
        key.post(organization_path(person, "/transfer-ownership"), body),
        key.call("DELETE", organization_path(person) + "?purge=true", {"password": PASSWORD}),
    ):
        assert status_and_code(response) == (403, "api_key_not_allowed")


def test_what_can_be_taken_back_needs_no_confirmation(aws: None) -> None:
    person = register()
    assert person.client.delete(organization_path(person)).status == 204
    assert person.client.post(organization_path(person, "/restore")).status == 200


def test_no_digest_of_a_confirmed_body_is_stored_for_replays(aws: None) -> None:
    person = register()
    heir = register_member(person, "member")
    body = {"userId": heir.user["id"], "password": PASSWORD}
    path, header = organization_path(person, "/transfer-ownership"), {"Idempotency-Key": "a random one"}
    first = person.client.post(path, body, headers=header)
    assert first.status == 200, first.text
    stored = str(table_items())
    assert hashlib.sha256(json.dumps(body).encode()).hexdigest() not in stored and PASSWORD not in stored


@pytest.mark.parametrize("way", ["member", "invitation", "resent invitation"])
def test_every_way_of_making_an_owner_is_confirmed(aws: None, way: str) -> None:
    owner = register(verified=True)
    mate = register(verified=True)
    if way == "member":
        add_member(mate, owner, "member")
    key = client_with_new_key(owner, "*")
    invitations = organization_path(owner, "/invitations")
    offer = {"email": mate.user["email"], "role": "owner"}
    if way == "resent invitation":
        sent = owner.client.post(invitations, offer | {"password": PASSWORD}).json["id"]

    def act(client: Client, **more: str) -> ApiResponse:
        if way == "resent invitation":
            return client.call("POST", f"{invitations}/{sent}/resend", more or None)
        if way == "member":
            path = f"{organization_path(owner)}/members/{mate.user['id']}"
            return client.patch(path, {"role": "owner", **more})
        return client.post(invitations, offer | more)

    assert status_and_code(act(owner.client)) == (403, "confirmation_required")
    assert status_and_code(act(owner.client, password="wrong-wrong")) == (422, "wrong_password")
    assert status_and_code(act(key, password=PASSWORD)) == (403, "api_key_not_allowed")
    assert act(owner.client, password=PASSWORD).status in (200, 201)
