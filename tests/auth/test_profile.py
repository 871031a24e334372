"""One's own profile, and a new address, which counts once it is verified."""

from typing import Any

import pytest

from tests.auth import mailbox
from tests.auth.clocks import Clock
from tests.factories import PASSWORD, Registered, registered
from tests.gateway import Answer, Client
from weconnect.auth.rows import EmailRow
from weconnect.db import table
from weconnect.settings import settings

ME = "/v1/users/me"


def verify(token: str) -> Answer:
    return Client().post("/v1/auth/verify-email", {"token": token})


def ask_for(person: Registered, email: str, **more: Any) -> Answer:
    return person.client.patch(ME, {"email": email, "currentPassword": PASSWORD, **more})


def login(email: str) -> int:
    return Client().post("/v1/auth/login", {"email": email, "password": PASSWORD}).status


def without_nulls(found: dict[str, Any]) -> dict[str, Any]:
    return {
        name: without_nulls(value) if isinstance(value, dict) else value
        for name, value in found.items()
        if value is not None
    }


def test_names_avatar_and_preferences_are_changed(aws: None) -> None:
    person = registered()
    changes = {
        "firstName": " Augusta ",
        "lastName": "King",
        "avatar": "https://example.com/a.png",
        "preferences": {"theme": "dark", "notifications": {"email": True, "push": False}},
    }
    answer = person.client.patch(ME, changes)
    assert answer.status == 200, answer.text
    found = answer.json
    assert (found["fullName"], found["avatar"], found["version"]) == ("Augusta King", changes["avatar"], 2)
    assert answer.headers["ETag"] == '"2"'
    merged = {"language": "en", "notifications": {"email": None, "workflow": True}}
    after = person.client.patch(ME, {"preferences": merged, "avatar": None, "firstName": None}).json
    assert without_nulls(after["preferences"]) == {
        "theme": "dark",
        "language": "en",
        "notifications": {"push": False, "workflow": True},
    }
    assert after.get("avatar") is None and after["firstName"] == "Augusta"


def test_an_older_version_is_refused(aws: None) -> None:
    person = registered()
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
def test_nothing_else_can_be_set(aws: None, body: dict[str, Any]) -> None:
    person = registered()
    answer = person.client.patch(ME, body)
    assert answer.status == 422, answer.text
    assert answer.json["errors"][0]["pointer"].startswith("/" + next(iter(body)))
    assert person.client.get(ME).json["version"] == 1


def test_a_new_address_counts_once_it_is_verified(aws: None) -> None:
    person = registered("ada@example.com")
    answer = ask_for(person, "Countess@Example.com", firstName="Augusta")
    assert answer.status == 200, answer.text
    assert (answer.json["email"], answer.json["firstName"]) == ("ada@example.com", "Augusta")
    assert (login("ada@example.com"), login("countess@example.com")) == (200, 401)
    assert mailbox.to("countess@example.com") and "Your token" in mailbox.texts()[-1]
    found = verify(mailbox.last_token())
    assert found.status == 200, found.text
    assert (found.json["email"], found.json["emailVerified"]) == ("countess@example.com", True)
    assert (login("ada@example.com"), login("countess@example.com")) == (401, 200)
    assert "is now countess@example.com" in mailbox.to("ada@example.com")[-1]
    assert table.get(EmailRow, EmailRow.at("ada@example.com")) is None
    assert registered("ada@example.com").user["id"] != person.user["id"], "the old one is free again"


def test_the_token_of_a_new_address_is_used_once_and_ends_after_a_day(aws: None, time: Clock) -> None:
    person = registered("ada@example.com")
    ask_for(person, "new@example.com")
    token = mailbox.last_token()
    assert [verify(token).status, verify(token).json["code"]] == [200, "invalid_token"]
    ask_for(person, "third@example.com")
    time.move(days=1)
    assert verify(mailbox.last_token()).json["code"] == "invalid_token"


def test_older_tokens_end_with_the_address_that_they_were_for(aws: None) -> None:
    person = registered("ada@example.com")
    first = mailbox.last_token()
    ask_for(person, "new@example.com")
    second = mailbox.last_token()
    ask_for(person, "newer@example.com")
    assert verify(mailbox.last_token()).status == 200
    assert [verify(token).json["code"] for token in (first, second)] == ["invalid_token"] * 2


@pytest.mark.parametrize("more", [{}, {"currentPassword": "wrong"}])
def test_a_new_address_needs_the_password(aws: None, more: dict[str, str]) -> None:
    person = registered("ada@example.com")
    answer = person.client.patch(ME, {"email": "new@example.com", "firstName": "Eve", **more})
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, "/currentPassword")
    assert person.client.get(ME).json["firstName"] == "Ada", "nothing of it happens"
    assert mailbox.to("new@example.com") == []


def test_an_address_that_was_taken_meanwhile_is_refused_at_the_end(aws: None) -> None:
    person = registered("ada@example.com")
    ask_for(person, "new@example.com")
    token = mailbox.last_token()
    registered("new@example.com")
    answer = verify(token)
    assert (answer.status, answer.json["code"]) == (409, "email_taken")
    assert login("ada@example.com") == 200


def test_asking_for_a_taken_address_does_not_tell(aws: None) -> None:
    registered("eve@example.com")
    person = registered("ada@example.com")
    taken, free = ask_for(person, "eve@example.com"), ask_for(person, "free@example.com")
    assert (taken.status, taken.json) == (free.status, free.json)


def test_without_a_sender_the_address_changes_at_once(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.__dict__, "mail_from", "")
    monkeypatch.setitem(settings.__dict__, "operator_emails", frozenset({"boss@example.com"}))
    person = registered("ada@example.com")
    answer = ask_for(person, "boss@example.com")
    assert (answer.json["email"], answer.json["role"]) == ("boss@example.com", "user")
    registered("eve@example.com")
    assert ask_for(person, "eve@example.com").json["code"] == "email_taken"


def test_a_verified_operators_address_makes_an_operator(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.__dict__, "operator_emails", frozenset({"boss@example.com"}))
    person = registered("ada@example.com")
    ask_for(person, "boss@example.com")
    assert verify(mailbox.last_token()).json["role"] == "admin"


def test_an_api_key_does_not_change_its_user(aws: None) -> None:
    person = registered()
    body = {"name": "ci", "scopes": ["*"], "permissions": {"canRead": True, "canWrite": True}}
    machine = Client(headers={"X-API-Key": person.client.post("/v1/api-keys", body).json["key"]})
    assert machine.patch(ME, {"firstName": "Eve"}).json["code"] == "api_key_not_allowed"
    assert machine.get(ME).json["firstName"] == "Ada"
