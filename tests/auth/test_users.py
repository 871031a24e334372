"""Users as operators see and change them."""

from typing import Any

import pytest

from tests.factories import PASSWORD, Registered, bearer, become, registered
from tests.gateway import Client


@pytest.fixture
def operator(aws: None) -> Registered:
    return become(registered("boss@example.com"))


def everybody(client: Client, query: str = "") -> list[str]:
    """The addresses of all pages."""
    found: list[str] = []
    cursor = ""
    while True:
        answer = client.get(f"/v1/users?limit=2{query}{cursor}")
        assert answer.status == 200, answer.text
        assert len(answer.json["items"]) <= 2
        found += [item["email"] for item in answer.json["items"]]
        if not answer.json.get("nextCursor"):
            return found
        cursor = f"&cursor={answer.json['nextCursor']}"


def test_operators_list_users_by_everything_they_are_indexed_by(operator: Registered) -> None:
    people = [registered(f"{number}@example.com") for number in range(5)]
    become(people[0], "readonly")
    become(people[1], "guest")
    off = operator.client.patch(f"/v1/users/{people[2].user['id']}", {"isActive": False})
    assert off.status == 200, off.text
    ask = operator.client
    addresses = {"boss@example.com", *(f"{number}@example.com" for number in range(5))}
    found = everybody(ask)
    assert set(found) == addresses and len(found) == 6
    assert everybody(ask, "&role=user&isActive=true") == ["3@example.com", "4@example.com"]
    assert everybody(ask, "&role=user&isActive=false") == ["2@example.com"]
    assert set(everybody(ask, "&isActive=true")) == addresses - {"2@example.com"}
    assert everybody(ask, "&role=guest") == ["1@example.com"]
    organization = people[3].organization["id"]
    assert everybody(ask, f"&currentOrganizationId={organization}") == ["3@example.com"]
    assert everybody(ask, f"&currentOrganizationId={organization}&role=admin") == []
    assert everybody(ask, "&email=4@EXAMPLE.com") == ["4@example.com"]
    assert everybody(ask, "&email=4@example.com&isActive=false") == []
    assert everybody(ask, "&email=nobody@example.com") == everybody(ask, "&email=nonsense") == []


@pytest.mark.parametrize("cursor", ["x", "user", "root.", "user.x", "user.eyJ9", ".", "admin.%00"])
def test_a_foreign_cursor_is_refused(operator: Registered, cursor: str) -> None:
    answer = operator.client.get(f"/v1/users?cursor={cursor}")
    assert (answer.status, answer.json["code"]) == (400, "invalid_cursor")


def test_a_cursor_belongs_to_its_filters(operator: Registered) -> None:
    for number in range(3):
        registered(f"{number}@example.com")
    cursor = operator.client.get("/v1/users?role=user&limit=1").json["nextCursor"]
    assert operator.client.get(f"/v1/users?role=user&limit=1&cursor={cursor}").status == 200
    assert operator.client.get(f"/v1/users?role=user&isActive=true&cursor={cursor}").status == 400
    assert operator.client.get(f"/v1/users?cursor={cursor}").status == 400


def test_one_user(operator: Registered) -> None:
    person = registered("ada@example.com")
    answer = operator.client.get(f"/v1/users/{person.user['id']}")
    assert answer.json["email"] == "ada@example.com" and "password" not in answer.json
    nobody = operator.client.get("/v1/users/01930000-0000-7000-8000-00000000000a")
    assert (nobody.status, nobody.json["code"]) == (404, "user_not_found")


def test_who_is_deactivated_is_out_at_once(operator: Registered) -> None:
    person = registered("ada@example.com")
    made = person.client.post("/v1/api-keys", {"name": "ci", "scopes": ["*"]}).json
    machine = Client(headers={"X-API-Key": made["key"]})
    answer = operator.client.patch(f"/v1/users/{person.user['id']}", {"isActive": False})
    assert (answer.json["isActive"], answer.json["version"]) == (False, 2)
    refreshed = Client().post("/v1/auth/refresh", {"refreshToken": person.tokens["refreshToken"]})
    assert (refreshed.status, refreshed.json["code"]) == (401, "session_ended")
    assert machine.get("/v1/agents").json["code"] == "account_inactive"
    credentials = {"email": "ada@example.com", "password": PASSWORD}
    assert Client().post("/v1/auth/login", credentials).status == 401
    back = operator.client.patch(f"/v1/users/{person.user['id']}", {"isActive": True})
    assert back.json["isActive"] is True
    assert Client().post("/v1/auth/login", credentials).status == 200
    assert machine.get("/v1/agents").status == 200


def test_a_role_reaches_the_next_token(operator: Registered) -> None:
    person = registered()
    for role, code in (("readonly", "read_only"), ("guest", "guest"), ("user", None)):
        answer = operator.client.patch(f"/v1/users/{person.user['id']}", {"role": role})
        assert answer.json["role"] == role
        body = {"refreshToken": person.tokens["refreshToken"]}
        person.tokens = Client().post("/v1/auth/refresh", body).json
        made = bearer(person.tokens).post("/v1/agents", {"name": role})
        assert made.json.get("code") == code


@pytest.mark.parametrize("changes", [{"role": "user"}, {"isActive": False}, {"role": "guest"}])
def test_operators_keep_their_own_role(operator: Registered, changes: dict[str, Any]) -> None:
    answer = operator.client.patch(f"/v1/users/{operator.user['id']}", changes)
    assert (answer.status, answer.json["code"]) == (409, "own_role")
    assert operator.client.patch(f"/v1/users/{operator.user['id']}", {"role": "admin"}).status == 200


@pytest.mark.parametrize(
    "field", ["email", "emailVerified", "password", "mfaEnabled", "id", "firstName", "currentOrganizationId"]
)
def test_operators_change_nothing_else(operator: Registered, field: str) -> None:
    person = registered()
    answer = operator.client.patch(f"/v1/users/{person.user['id']}", {field: "x"})
    assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, f"/{field}")


def test_an_older_version_is_refused(operator: Registered) -> None:
    path = f"/v1/users/{registered().user['id']}"
    assert operator.client.patch(path, {"role": "guest"}, headers={"If-Match": '"1"'}).status == 200
    assert operator.client.patch(path, {"role": "user"}, headers={"If-Match": '"1"'}).status == 412


def test_nobody_else_is_an_operator(aws: None) -> None:
    owner, unverified = registered(), become(registered(), verified=False)
    made = {"name": "ci", "scopes": ["*"], "permissions": {"canRead": True, "canWrite": True}}
    boss = become(registered("boss@example.com"))
    machine = Client(headers={"X-API-Key": boss.client.post("/v1/api-keys", made).json["key"]})
    for client in (owner.client, unverified.client, machine):
        for answer in (
            client.get("/v1/users"),
            client.get(f"/v1/users/{owner.user['id']}"),
            client.patch(f"/v1/users/{owner.user['id']}", {"role": "admin"}),
            client.patch(f"/v1/users/{owner.user['id']}", {"nonsense": 1}),
        ):
            assert (answer.status, answer.json["code"]) == (403, "permission_missing")
