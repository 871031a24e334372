"""Registration and sign-in."""

from datetime import UTC, datetime

import pytest

from tests.auth import sent_mails
from tests.auth.sent_mails import texts_to
from tests.factories import PASSWORD, register
from tests.gateway import Client
from weconnect import clock
from weconnect.db import table
from weconnect.identity import mail_limits
from weconnect.identity.rows import UserRow
from weconnect.settings import settings


def new_user(**more: object) -> dict[str, object]:
    return {
        "email": "ada@example.com",
        "password": PASSWORD,
        "firstName": "Ada",
        "lastName": "Lovelace",
        **more,
    }


def test_a_registration_creates_a_user_with_a_personal_organization(aws: None) -> None:
    response = Client().post(
        "/v1/auth/register", new_user(email=" Ada@Exämple.com ", organizationName="Engines & Co.")
    )
    assert response.status == 201, response.text
    user, organization = response.json["user"], response.json["organization"]
    assert (user["email"], user["role"], user["emailVerified"]) == ("ada@xn--exmple-cua.com", "user", False)
    assert user["fullName"] == "Ada Lovelace" and user["currentOrganizationId"] == organization["id"]
    assert user["metadata"]["loginCount"] == 1 and user["metadata"]["signupSource"] == "register"
    assert organization["name"] == "Engines & Co." and organization["slug"].startswith("engines-co-")
    assert organization["plan"] == settings.default_plan
    assert response.json["tokenType"] == "Bearer" and response.json["expiresIn"] == 900
    assert "password" not in response.text.lower().replace("passwordchangedat", "")


def test_the_new_user_can_act_at_once(aws: None) -> None:
    person = register()
    me = person.client.get("/v1/users/me")
    assert me.status == 200 and me.json["id"] == person.user["id"] and me.headers["ETag"] == '"1"'


def test_an_address_can_be_registered_once_however_it_is_spelled(aws: None) -> None:
    first = register("ada@example.com")
    before = len(sent_mails.texts())
    other = new_user(email="ADA@example.COM", password="Another-Horse-8-Battery")
    response = Client().post("/v1/auth/register", other)
    fresh = Client().post("/v1/auth/register", new_user(email="new@example.com"))
    assert response.status == fresh.status == 201, "nobody learns who has an account"
    for path in ((), ("user",), ("user", "metadata"), ("organization",)):
        ours, theirs = response.json, fresh.json
        for name in path:
            ours, theirs = ours[name], theirs[name]
        assert set(ours) == set(theirs)
    for name in ("accessToken", "refreshToken"):
        assert len(response.json[name]) == len(fresh.json[name])
    assert (response.json["user"]["version"], response.json["user"]["email"]) == (1, "ada@example.com")
    assert "has an account already" in sent_mails.texts_to("ada@example.com")[-1]
    assert len(sent_mails.texts()) == before + 2
    void = Client(headers={"Authorization": f"Bearer {response.json['accessToken']}"}).get("/v1/users/me")
    assert (void.status, void.json["code"]) == (401, "invalid_token")
    refreshed = Client().post("/v1/auth/refresh", {"refreshToken": response.json["refreshToken"]})
    assert refreshed.json["code"] == "invalid_refresh_token"
    login = Client().post("/v1/auth/login", {"email": "ada@example.com", "password": PASSWORD})
    assert login.status == 200 and first.client.get("/v1/users/me").status == 200
    assert table.get(UserRow, UserRow.at(response.json["user"]["id"])) is None


def test_without_a_mail_sender_a_registration_says_that_the_address_is_taken(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.__dict__, "mail_from", "")
    register("ada@example.com")
    response = Client().post("/v1/auth/register", new_user(email="ADA@example.COM"))
    assert (response.status, response.json["code"]) == (409, "email_taken")


@pytest.mark.parametrize(
    "field",
    [
        "role",
        "plan",
        "organizationId",
        "isActive",
        "emailVerified",
        "id",
        "metadata",
        "currentOrganizationId",
    ],
)
def test_other_fields_cannot_be_set_by_a_registration(aws: None, field: str) -> None:
    response = Client().post("/v1/auth/register", new_user(**{field: "admin"}))
    assert response.status == 422
    assert response.json["errors"][0]["pointer"] == f"/{field}"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("password", "short"),
        ("password", "Password123"),
        ("password", "1234567890"),
        ("password", "x" * 1001),
        ("password", "ada@example.com"),
        ("email", "ada"),
        ("email", "ada@@example.com"),
        ("email", "a da@example.com"),
        ("email", "ada@ex ample.com"),
        ("email", "a" * 250 + "@example.com"),
        ("email", "@example.com"),
        ("email", "ada@"),
        ("email", "ada@."),
        ("email", 7),
        ("firstName", "  "),
        ("firstName", "x" * 101),
        ("organizationName", ""),
    ],
)
def test_an_invalid_registration_is_refused_with_its_pointer(aws: None, field: str, value: object) -> None:
    response = Client().post("/v1/auth/register", new_user(**{field: value}))
    assert response.status == 422, response.text
    assert response.json["errors"][0]["pointer"] == f"/{field}"


def test_registrations_of_one_address_mail_it_no_more_than_the_limit_allows(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(settings.__dict__, "registrations_per_minute", 100)
    sent = []
    for _ in range(mail_limits.MAX_TO_ONE_ADDRESS + 2):
        user = register("somebody@example.com")
        sent.append(len(texts_to("somebody@example.com")))
        assert user.client.get("/v1/users/me").json["email"] == "somebody@example.com"
        assert user.client.call("DELETE", "/v1/users/me", {"password": PASSWORD}).status == 204
    verifications = [text for text in texts_to("somebody@example.com") if "Your token:" in text]
    assert len(verifications) == mail_limits.MAX_TO_ONE_ADDRESS, sent


def test_an_address_that_nobody_confirmed_gets_no_more_notices_than_other_mails(aws: None) -> None:
    user = register("somebody@example.com")
    passwords = [PASSWORD, "another long password"]
    for number in range(mail_limits.MAX_TO_ONE_ADDRESS + 2):
        old, new = passwords[number % 2], passwords[1 - number % 2]
        body = {"currentPassword": old, "newPassword": new}
        assert user.client.post("/v1/auth/change-password", body).status == 204
    assert len(texts_to("somebody@example.com")) == mail_limits.MAX_TO_ONE_ADDRESS


def test_registrations_from_one_network_are_limited(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.__dict__, "registrations_per_minute", 2)
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 11, 22, 13, 5, 13, tzinfo=UTC))
    client = Client(ip="2001:db8::1")
    for number in range(2):
        assert client.post("/v1/auth/register", new_user(email=f"{number}@example.com")).status == 201
    refused = Client(ip="2001:db8::ffff").post("/v1/auth/register", new_user())
    assert (refused.status, refused.json["code"]) == (429, "too_many_registrations")
    assert refused.headers["Retry-After"] == "47"
    assert Client(ip="2001:db8:0:1::1").post("/v1/auth/register", new_user()).status == 201


def test_signing_in_returns_tokens_and_counts_the_sign_in(aws: None) -> None:
    person = register("ada@example.com")
    response = Client().post("/v1/auth/login", {"email": "ADA@example.com", "password": PASSWORD})
    assert response.status == 200, response.text
    assert set(response.json) == {"accessToken", "refreshToken", "tokenType", "expiresIn"}
    me = Client(headers={"Authorization": f"bearer {response.json['accessToken']}"}).get("/v1/users/me").json
    assert me["id"] == person.user["id"] and me["version"] == 1
    assert me["metadata"]["loginCount"] == 2 and me["metadata"]["lastIpAddress"] == "203.0.113.7"


@pytest.mark.parametrize(
    "credentials",
    [
        {"email": "ada@example.com", "password": PASSWORD + "x"},
        {"email": "nobody@example.com", "password": PASSWORD},
    ],
)
def test_a_wrong_address_and_a_wrong_password_get_the_same_response(
    aws: None, credentials: dict[str, str]
) -> None:
    register("ada@example.com")
    response = Client().post("/v1/auth/login", credentials)
    assert (response.status, response.json["code"]) == (401, "wrong_credentials")
    assert response.json["detail"] == "Wrong e-mail address or password"


def test_every_character_of_a_long_password_counts(aws: None) -> None:
    register("ada@example.com", password="long " * 100 + "a")
    wrong = Client().post("/v1/auth/login", {"email": "ada@example.com", "password": "long " * 100 + "b"})
    right = Client().post("/v1/auth/login", {"email": "ada@example.com", "password": "long " * 100 + "a"})
    assert (wrong.status, right.status) == (401, 200)


def test_signing_in_to_another_organization_is_refused(aws: None) -> None:
    register("ada@example.com")
    other = register()
    credentials = {
        "email": "ada@example.com",
        "password": PASSWORD,
        "organizationId": other.organization["id"],
    }
    response = Client().post("/v1/auth/login", credentials)
    assert (response.status, response.json["code"]) == (403, "not_a_member")
