"""Users as operators list and change them."""

from typing import Any

import pytest

from tests.factories import PASSWORD, RegisteredUser, client_with_tokens, register, set_user_role
from tests.gateway import Client


@pytest.fixture
def operator(aws: None) -> RegisteredUser:
    return set_user_role(register("boss@example.com"))


def list_all(client: Client, query: str = "") -> list[str]:
    """Return the addresses of all pages of a list."""
    addresses_found: list[str] = []
    cursor = ""
    while True:
        response = client.get(f"/v1/users?limit=2{query}{cursor}")
        assert response.status == 200, response.text
        assert len(response.json["items"]) <= 2
        addresses_found += [item["email"] for item in response.json["items"]]
        if not response.json.get("nextCursor"):
            return addresses_found
        cursor = f"&cursor={response.json['nextCursor']}"


def test_operators_can_filter_users_by_role_activity_organization_and_address(
    operator: RegisteredUser,
) -> None:
    people = [register(f"{number}@example.com") for number in range(5)]
    set_user_role(people[0], "readonly")
    set_user_role(people[1], "guest")
    off = operator.client.patch(f"/v1/users/{people[2].user['id']}", {"isActive": False})
    assert off.status == 200, off.text
    client = operator.client
    addresses = {"boss@example.com", *(f"{number}@example.com" for number in range(5))}
    addresses_found = list_all(client)
    assert set(addresses_found) == addresses and len(addresses_found) == 6
    assert list_all(client, "&role=user&isActive=true") == ["3@example.com", "4@example.com"]
    assert list_all(client, "&role=user&isActive=false") == ["2@example.com"]
    assert set(list_all(client, "&isActive=true")) == addresses - {"2@example.com"}
    assert list_all(client, "&role=guest") == ["1@example.com"]
    organization = people[3].organization["id"]
    assert list_all(client, f"&currentOrganizationId={organization}") == ["3@example.com"]
    assert list_all(client, f"&currentOrganizationId={organization}&role=admin") == []
    assert list_all(client, "&email=4@EXAMPLE.com") == ["4@example.com"]
    assert list_all(client, "&email=4@example.com&isActive=false") == []
    assert list_all(client, "&email=nobody@example.com") == list_all(client, "&email=nonsense") == []


@pytest.mark.parametrize("cursor", ["x", "user", "root.", "user.x", "user.eyJ9", ".", "admin.%00"])
def test_a_foreign_cursor_is_refused(operator: RegisteredUser, cursor: str) -> None:
    response = operator.client.get(f"/v1/users?cursor={cursor}")
    assert (response.status, response.json["code"]) == (400, "invalid_cursor")


def test_a_cursor_belongs_to_its_filters(operator: RegisteredUser) -> None:
    for number in range(3):
        register(f"{number}@example.com")
    cursor = operator.client.get("/v1/users?role=user&limit=1").json["nextCursor"]
    assert operator.client.get(f"/v1/users?role=user&limit=1&cursor={cursor}").status == 200
    assert operator.client.get(f"/v1/users?role=user&isActive=true&cursor={cursor}").status == 400
    assert operator.client.get(f"/v1/users?cursor={cursor}").status == 400


def test_operators_can_read_one_user(operator: RegisteredUser) -> None:
    person = register("ada@example.com")
    response = operator.client.get(f"/v1/users/{person.user['id']}")
    assert response.json["email"] == "ada@example.com" and "password" not in response.json
    nobody = operator.client.get("/v1/users/01930000-0000-7000-8000-00000000000a")
    assert (nobody.status, nobody.json["code"]) == (404, "user_not_found")


def test_a_deactivated_user_is_signed_out_at_once_and_can_be_activated_again(
    operator: RegisteredUser,
) -> None:
    person = register("ada@example.com")
    created = person.client.post("/v1/api-keys", {"name": "ci", "scopes": ["*"]}).json
    key_client = Client(headers={"X-API-Key": created["key"]})
    response = operator.client.patch(f"/v1/users/{person.user['id']}", {"isActive": False})
    assert (response.json["isActive"], response.json["version"]) == (False, 2)
    refreshed = Client().post("/v1/auth/refresh", {"refreshToken": person.tokens["refreshToken"]})
    assert (refreshed.status, refreshed.json["code"]) == (401, "session_ended")
    assert key_client.get("/v1/agents").json["code"] == "account_inactive"
    credentials = {"email": "ada@example.com", "password": PASSWORD}
    assert Client().post("/v1/auth/login", credentials).status == 401
    back = operator.client.patch(f"/v1/users/{person.user['id']}", {"isActive": True})
    assert back.json["isActive"] is True
    assert Client().post("/v1/auth/login", credentials).status == 200
    assert key_client.get("/v1/agents").status == 200


def test_a_new_role_applies_to_the_next_token(operator: RegisteredUser) -> None:
    person = register()
    for role, code in (("readonly", "read_only"), ("guest", "guest"), ("user", None)):
        response = operator.client.patch(f"/v1/users/{person.user['id']}", {"role": role})
        assert response.json["role"] == role
        body = {"refreshToken": person.tokens["refreshToken"]}
        person.tokens = Client().post("/v1/auth/refresh", body).json
        created = client_with_tokens(person.tokens).post("/v1/agents", {"name": role})
        assert created.json.get("code") == code


@pytest.mark.parametrize("changes", [{"role": "user"}, {"isActive": False}, {"role": "guest"}])
def test_operators_cannot_take_away_their_own_role(operator: RegisteredUser, changes: dict[str, Any]) -> None:
    response = operator.client.patch(f"/v1/users/{operator.user['id']}", changes)
    assert (response.status, response.json["code"]) == (409, "own_role")
    assert operator.client.patch(f"/v1/users/{operator.user['id']}", {"role": "admin"}).status == 200


@pytest.mark.parametrize(
    "field", ["email", "emailVerified", "password", "mfaEnabled", "id", "firstName", "currentOrganizationId"]
)
def test_operators_cannot_change_other_fields(operator: RegisteredUser, field: str) -> None:
    person = register()
    response = operator.client.patch(f"/v1/users/{person.user['id']}", {field: "x"})
    assert (response.status, response.json["errors"][0]["pointer"]) == (422, f"/{field}")


def test_an_older_version_is_refused(operator: RegisteredUser) -> None:
    path = f"/v1/users/{register().user['id']}"
    assert operator.client.patch(path, {"role": "guest"}, headers={"If-Match": '"1"'}).status == 200
    assert operator.client.patch(path, {"role": "user"}, headers={"If-Match": '"1"'}).status == 412


def test_only_operators_reach_the_routes_of_users(aws: None) -> None:
    owner, unverified = register(), set_user_role(register(), verified=False)
    created = {"name": "ci", "scopes": ["*"], "permissions": {"canRead": True, "canWrite": True}}
    boss = set_user_role(register("boss@example.com"))
    key_client = Client(headers={"X-API-Key": boss.client.post("/v1/api-keys", created).json["key"]})
    for client in (owner.client, unverified.client, key_client):
        for response in (
            client.get("/v1/users"),
            client.get(f"/v1/users/{owner.user['id']}"),
            client.patch(f"/v1/users/{owner.user['id']}", {"role": "admin"}),
            client.patch(f"/v1/users/{owner.user['id']}", {"nonsense": 1}),
        ):
            assert (response.status, response.json["code"]) == (403, "permission_missing")
