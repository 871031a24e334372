"""Registering and signing in."""

import pytest

from tests.factories import PASSWORD, registered
from tests.gateway import Client
from weconnect.settings import settings


def body(**more: object) -> dict[str, object]:
    return {
        "email": "ada@example.com",
        "password": PASSWORD,
        "firstName": "Ada",
        "lastName": "Lovelace",
        **more,
    }


def test_registering_makes_a_user_with_an_organization_of_its_own(aws: None) -> None:
    answer = Client().post(
        "/v1/auth/register", body(email=" Ada@Exämple.com ", organizationName="Engines & Co.")
    )
    assert answer.status == 201, answer.text
    user, organization = answer.json["user"], answer.json["organization"]
    assert (user["email"], user["role"], user["emailVerified"]) == ("ada@xn--exmple-cua.com", "user", False)
    assert user["fullName"] == "Ada Lovelace" and user["currentOrganizationId"] == organization["id"]
    assert user["metadata"]["loginCount"] == 1 and user["metadata"]["signupSource"] == "register"
    assert organization["name"] == "Engines & Co." and organization["slug"].startswith("engines-co-")
    assert organization["plan"] == settings.default_plan
    assert answer.json["tokenType"] == "Bearer" and answer.json["expiresIn"] == 900
    assert "password" not in answer.text.lower().replace("passwordchangedat", "")


def test_the_new_user_can_act_at_once(aws: None) -> None:
    person = registered()
    me = person.client.get("/v1/users/me")
    assert me.status == 200 and me.json["id"] == person.user["id"] and me.headers["ETag"] == '"1"'


def test_an_address_is_taken_once_however_it_is_written(aws: None) -> None:
    registered("ada@example.com")
    answer = Client().post("/v1/auth/register", body(email="ADA@example.COM"))
    assert (answer.status, answer.json["code"]) == (409, "email_taken")


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
def test_nothing_else_can_be_set_by_registering(aws: None, field: str) -> None:
    answer = Client().post("/v1/auth/register", body(**{field: "admin"}))
    assert answer.status == 422
    assert answer.json["errors"][0]["pointer"] == f"/{field}"


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
def test_what_is_wrong_is_named(aws: None, field: str, value: object) -> None:
    answer = Client().post("/v1/auth/register", body(**{field: value}))
    assert answer.status == 422, answer.text
    assert answer.json["errors"][0]["pointer"] == f"/{field}"


def test_registrations_of_one_network_address_are_limited(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.__dict__, "registrations_per_minute", 2)
    monkeypatch.setattr("weconnect.clock.now", _still())
    client = Client(ip="2001:db8::1")
    for number in range(2):
        assert client.post("/v1/auth/register", body(email=f"{number}@example.com")).status == 201
    refused = Client(ip="2001:db8::ffff").post("/v1/auth/register", body())
    assert (refused.status, refused.json["code"]) == (429, "too_many_registrations")
    assert refused.headers["Retry-After"] == "47"
    assert Client(ip="2001:db8:0:1::1").post("/v1/auth/register", body()).status == 201


def _still():
    from datetime import UTC, datetime

    return lambda: datetime(2026, 11, 22, 13, 5, 13, tzinfo=UTC)


def test_signing_in(aws: None) -> None:
    person = registered("ada@example.com")
    answer = Client().post("/v1/auth/login", {"email": "ADA@example.com", "password": PASSWORD})
    assert answer.status == 200, answer.text
    assert set(answer.json) == {"accessToken", "refreshToken", "tokenType", "expiresIn"}
    me = Client(headers={"Authorization": f"bearer {answer.json['accessToken']}"}).get("/v1/users/me").json
    assert me["id"] == person.user["id"] and me["version"] == 1
    assert me["metadata"]["loginCount"] == 2 and me["metadata"]["lastIpAddress"] == "203.0.113.7"


@pytest.mark.parametrize(
    "credentials",
    [
        {"email": "ada@example.com", "password": PASSWORD + "x"},
        {"email": "nobody@example.com", "password": PASSWORD},
    ],
)
def test_a_wrong_address_and_a_wrong_password_look_the_same(aws: None, credentials: dict[str, str]) -> None:
    registered("ada@example.com")
    answer = Client().post("/v1/auth/login", credentials)
    assert (answer.status, answer.json["code"]) == (401, "wrong_credentials")
    assert answer.json["detail"] == "The address or the password is wrong"


def test_long_passwords_count_to_their_end(aws: None) -> None:
    registered("ada@example.com", password="long " * 100 + "a")
    wrong = Client().post("/v1/auth/login", {"email": "ada@example.com", "password": "long " * 100 + "b"})
    right = Client().post("/v1/auth/login", {"email": "ada@example.com", "password": "long " * 100 + "a"})
    assert (wrong.status, right.status) == (401, 200)


def test_signing_in_to_a_strangers_organization_is_refused(aws: None) -> None:
    registered("ada@example.com")
    other = registered()
    credentials = {
        "email": "ada@example.com",
        "password": PASSWORD,
        "organizationId": other.organization["id"],
    }
    answer = Client().post("/v1/auth/login", credentials)
    assert (answer.status, answer.json["code"]) == (403, "not_a_member")
