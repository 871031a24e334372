"""The caller's own profile, and a new address, which counts once it is verified."""

from typing import Any

import pytest

from tests.auth import sent_mails
from tests.auth.movable_clock import MovableClock
from tests.factories import PASSWORD, RegisteredUser, register
from tests.gateway import ApiResponse, Client
from weconnect.db import table
from weconnect.identity.rows import EmailRow, UserRow
from weconnect.settings import settings

ME = "/v1/users/me"


def verify(token: str) -> ApiResponse:
    return Client().post("/v1/auth/verify-email", {"token": token})


def request_address(person: RegisteredUser, email: str, **more: Any) -> ApiResponse:
    return person.client.patch(ME, {"email": email, "currentPassword": PASSWORD, **more})


def login(email: str) -> int:
    return Client().post("/v1/auth/login", {"email": email, "password": PASSWORD}).status


def without_nulls(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: without_nulls(value) if isinstance(value, dict) else value
        for name, value in values.items()
        if value is not None
    }


def test_names_avatar_and_preferences_can_be_changed(aws: None) -> None:
    person = register()
    changes = {
        "firstName": " Augusta ",
        "lastName": "King",
        "avatar": "https://example.com/a.png",
        "preferences": {"theme": "dark", "notifications": {"email": True, "push": False}},
    }
    response = person.client.patch(ME, changes)
    assert response.status == 200, response.text
    profile = response.json
    assert (profile["fullName"], profile["avatar"], profile["version"]) == (
        "Augusta King",
        changes["avatar"],
        2,
    )
    assert response.headers["ETag"] == '"2"'
    merged = {"language": "en", "notifications": {"email": None, "workflow": True}}
    after = person.client.patch(ME, {"preferences": merged, "avatar": None, "firstName": None}).json
    assert without_nulls(after["preferences"]) == {
        "theme": "dark",
        "language": "en",
        "notifications": {"push": False, "workflow": True},
    }
    assert after.get("avatar") is None and after["firstName"] == "Augusta"


def test_an_older_version_is_refused(aws: None) -> None:
    person = register()
    assert person.client.patch(ME, {"firstName": "A"}, headers={"If-Match": '"1"'}).status == 200
    stale = person.client.patch(ME, {"firstName": "B"}, headers={"If-Match": '"1"'})
    assert (stale.status, stale.json["code"]) == (412, "stale_version")


@pytest.mark.parametrize(
    "body",
    [
        {"role": "admin"},
        {"isActive": False},
        {"emailVerified": True},
        {"password": "Other-Horse-7-Battery"},
        {"mfaEnabled": True},
        {"currentOrganizationId": "01930000-0000-7000-8000-00000000000a"},
        {"metadata": {"loginCount": 0}},
        {"id": "01930000-0000-7000-8000-00000000000a"},
        {"version": 9},
        {"preferences": {"role": "admin"}},
        {"avatar": "javascript:alert(1)"},
        {"avatar": "https://example.com/" + "a" * 500},
        {"firstName": " "},
        {"email": "no address"},
    ],
)
def test_other_fields_of_the_profile_cannot_be_set(aws: None, body: dict[str, Any]) -> None:
    person = register()
    response = person.client.patch(ME, body)
    assert response.status == 422, response.text
    assert response.json["errors"][0]["pointer"].startswith("/" + next(iter(body)))
    assert person.client.get(ME).json["version"] == 1


def test_a_new_address_counts_once_it_is_verified(aws: None) -> None:
    person = register("ada@example.com")
    response = request_address(person, "Countess@Example.com", firstName="Augusta")
    assert response.status == 200, response.text
    assert (response.json["email"], response.json["firstName"]) == ("ada@example.com", "Augusta")
    assert (login("ada@example.com"), login("countess@example.com")) == (200, 401)
    assert sent_mails.texts_to("countess@example.com") and "Your token" in sent_mails.texts()[-1]
    verified = verify(sent_mails.last_token())
    assert verified.status == 200, verified.text
    assert (verified.json["email"], verified.json["emailVerified"]) == ("countess@example.com", True)
    assert (login("ada@example.com"), login("countess@example.com")) == (401, 200)
    assert "is now countess@example.com" in sent_mails.texts_to("ada@example.com")[-1]
    assert table.get(EmailRow, EmailRow.at("ada@example.com")) is None
    assert register("ada@example.com").user["id"] != person.user["id"], "the old address is free again"


def test_the_token_of_a_new_address_works_once_and_expires_after_a_day(aws: None, time: MovableClock) -> None:
    person = register("ada@example.com")
    request_address(person, "new@example.com")
    token = sent_mails.last_token()
    assert [verify(token).status, verify(token).json["code"]] == [200, "invalid_token"]
    request_address(person, "third@example.com")
    time.advance(days=1)
    assert verify(sent_mails.last_token()).json["code"] == "invalid_token"


def test_a_change_of_the_address_invalidates_older_tokens(aws: None) -> None:
    person = register("ada@example.com")
    first = sent_mails.last_token()
    request_address(person, "new@example.com")
    second = sent_mails.last_token()
    request_address(person, "newer@example.com")
    assert verify(sent_mails.last_token()).status == 200
    assert [verify(token).json["code"] for token in (first, second)] == ["invalid_token"] * 2


@pytest.mark.parametrize("more", [{}, {"currentPassword": "wrong"}])
def test_a_new_address_requires_the_password(aws: None, more: dict[str, str]) -> None:
    person = register("ada@example.com")
    response = person.client.patch(ME, {"email": "new@example.com", "firstName": "Eve", **more})
    assert (response.status, response.json["errors"][0]["pointer"]) == (422, "/currentPassword")
    assert person.client.get(ME).json["firstName"] == "Ada", "the refused change changed nothing"
    assert sent_mails.texts_to("new@example.com") == []


def test_an_address_that_was_taken_in_the_meantime_is_refused_at_the_verification(aws: None) -> None:
    person = register("ada@example.com")
    request_address(person, "new@example.com")
    token = sent_mails.last_token()
    register("new@example.com")
    response = verify(token)
    assert (response.status, response.json["code"]) == (409, "email_taken")
    assert login("ada@example.com") == 200


def test_requesting_a_taken_address_does_not_reveal_that_it_is_taken(aws: None) -> None:
    register("eve@example.com")
    person = register("ada@example.com")
    taken, free = request_address(person, "eve@example.com"), request_address(person, "free@example.com")
    assert (taken.status, taken.json) == (free.status, free.json)


def test_without_a_mail_sender_the_address_changes_at_once(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.__dict__, "mail_from", "")
    monkeypatch.setitem(settings.__dict__, "operator_emails", frozenset({"boss@example.com"}))
    person = register("ada@example.com")
    response = request_address(person, "boss@example.com")
    assert (response.json["email"], response.json["role"]) == ("boss@example.com", "user")
    register("eve@example.com")
    assert request_address(person, "eve@example.com").json["code"] == "email_taken"


def test_a_change_to_the_address_of_an_operator_makes_nobody_an_operator(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.__dict__, "operator_emails", frozenset({"boss@example.com"}))
    person = register("ada@example.com")
    request_address(person, "boss@example.com")
    assert verify(sent_mails.last_token()).json["role"] == "user"
    assert Client().post("/v1/auth/forgot-password", {"email": "boss@example.com"}).status == 204
    body = {"token": sent_mails.last_token(), "password": "Another-Horse-8-Battery"}
    assert Client().post("/v1/auth/reset-password", body).status == 204
    assert UserRow.get(*UserRow.at(person.user["id"])).role == "user", (
        "the account was not made for the address"
    )


def test_the_mail_of_a_change_names_the_account_that_asks_and_warns(aws: None) -> None:
    person = register("ada@example.com")
    request_address(person, "new@example.com")
    (text,) = sent_mails.texts_to("new@example.com")
    assert "the WeConnect account ada@example.com asks to use this address" in text
    assert "If you did not ask for this, do not confirm: somebody else" in text


def test_an_api_key_cannot_change_its_user(aws: None) -> None:
    person = register()
    body = {"name": "ci", "scopes": ["*"], "permissions": {"canRead": True, "canWrite": True}}
    key_client = Client(headers={"X-API-Key": person.client.post("/v1/api-keys", body).json["key"]})
    assert key_client.patch(ME, {"firstName": "Eve"}).json["code"] == "api_key_not_allowed"
    assert key_client.get(ME).json["firstName"] == "Ada"
