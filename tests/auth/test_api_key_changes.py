"""Changes and rotation of API keys, the scopes they may have, and the list of keys that expire soon."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from tests.factories import RegisteredUser, add_member, register
from tests.gateway import ApiResponse, Client
from weconnect import clock
from weconnect.db import table
from weconnect.identity.rows import ApiKeyRow
from weconnect.organizations.rows import MemberRow

READ = {"name": "ci", "scopes": ["agents:read"]}


def create_key(person: RegisteredUser, **more: Any) -> dict[str, Any]:
    response = person.client.post("/v1/api-keys", {**READ, **more})
    assert response.status == 201, response.text
    return response.json  # type: ignore[no-any-return]


def change(person: RegisteredUser, key: dict[str, Any], body: dict[str, Any], **options: Any) -> ApiResponse:
    return person.client.patch(f"/v1/api-keys/{key['id']}", body, **options)


def request_with(key: dict[str, Any], path: str = "/v1/agents") -> ApiResponse:
    return Client(headers={"X-API-Key": key["key"]}).get(path)


def row_of(person: RegisteredUser, key: dict[str, Any]) -> ApiKeyRow:
    rows: Iterable[ApiKeyRow] = ApiKeyRow.gsi2.query(ApiKeyRow.by_expiry(person.organization["id"]))
    return next(row for row in rows if row.id == key["id"])


def expiry_order(row: ApiKeyRow) -> str:
    """Return the sort key by which keys are listed by expiry."""
    assert row.gsi2sk
    return row.gsi2sk


def status_and_code(response: ApiResponse) -> tuple[int, str]:
    return response.status, response.json["code"]


def test_every_setting_of_a_key_can_be_changed(aws: None) -> None:
    person = register()
    key = create_key(person)
    expires = (clock.now() + timedelta(days=3)).replace(microsecond=0)
    body = {
        "name": "renamed",
        "scopes": ["agents:read", "agents:create", "agents:read"],
        "permissions": {"canRead": True, "canWrite": True, "restrictedIPs": ["203.0.113.0/24"]},
        "rateLimits": {"requestsPerHour": 9},
        "expiresAt": expires.isoformat(),
    }
    response = change(person, key, body, headers={"If-Match": '"1"'})
    assert response.status == 200 and response.headers["ETag"] == '"2"', response.text
    stored = person.client.get(f"/v1/api-keys/{key['id']}").json
    assert stored == response.json and "key" not in stored
    assert stored["name"] == "renamed" and stored["scopes"] == ["agents:read", "agents:create"]
    assert stored["rateLimits"]["requestsPerHour"] == 9 and stored["permissions"]["canWrite"] is True
    row = row_of(person, key)
    assert row.ttl == int(expires.timestamp()) and expiry_order(row).startswith(clock.iso(expires))
    assert request_with(key).status == 200
    stale = change(person, key, {"name": "x"}, headers={"If-Match": '"1"'})
    assert stale.status == 412
    lifted = change(person, key, {"expiresAt": None}).json
    assert lifted.get("expiresAt") is None and row_of(person, key).ttl is None
    assert expiry_order(row_of(person, key)).startswith("never")


def test_a_deactivated_key_is_refused_at_once_and_works_again_when_activated(aws: None) -> None:
    person = register()
    key = create_key(person)
    assert change(person, key, {"isActive": False}).json["isActive"] is False
    assert status_and_code(request_with(key)) == (401, "invalid_api_key")
    assert change(person, key, {"isActive": True}).status == 200
    assert request_with(key).status == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scopes", []),
        ("scopes", ["agents:fly"]),
        ("name", ""),
        ("expiresAt", "2020-01-01T00:00:00Z"),
        ("rateLimits", {"requestsPerDay": 0}),
        ("userId", "0199a4e0-0000-7000-8000-000000000002"),
        ("usageCount", 0),
        ("keyHash", "x"),
        ("organizationId", "0199a4e0-0000-7000-8000-000000000002"),
    ],
)
def test_an_invalid_change_is_refused_with_its_pointer(aws: None, field: str, value: Any) -> None:
    person = register()
    key = create_key(person)
    response = change(person, key, {field: value})
    assert response.status == 422 and response.json["errors"][0]["pointer"].startswith(f"/{field}"), (
        response.text
    )
    assert person.client.get(f"/v1/api-keys/{key['id']}").json["version"] == 1


# Scopes


def test_a_key_cannot_have_a_scope_that_its_creator_lacks(aws: None) -> None:
    owner, member = register(), register()
    add_member(member, owner, "member")
    for scopes in (["organization:manage"], ["agents:read", "agents:delete"], ["*"]):
        response = member.client.post("/v1/api-keys", {"name": "x", "scopes": scopes})
        assert status_and_code(response) == (403, "scope_not_held")
        assert response.json["errors"][0]["pointer"] == f"/scopes/{len(scopes) - 1}"
    key = create_key(member)
    assert status_and_code(change(member, key, {"scopes": ["*"]})) == (403, "scope_not_held")
    assert change(member, key, {"scopes": ["agents:create"]}).status == 200
    assert create_key(owner, scopes=["*"])["scopes"] == ["*"]


def test_a_manager_can_change_a_members_key_but_not_rotate_it(aws: None) -> None:
    owner, admin, member = register(), register(), register()
    add_member(admin, owner, "admin")
    add_member(member, owner, "member")
    key = create_key(member)
    path = f"/v1/api-keys/{key['id']}"
    query = f"?userId={member.user['id']}"
    assert admin.client.patch(path + query, {"isActive": False}).json["isActive"] is False
    beyond = admin.client.patch(path + query, {"scopes": ["organization:billing"]})
    assert status_and_code(beyond) == (403, "scope_not_held")
    assert status_and_code(admin.client.post(f"{path}/rotate{query}", {})) == (404, "api_key_not_found")
    assert status_and_code(member.client.patch(f"{path}?userId={owner.user['id']}", {})) == (
        403,
        "permission_missing",
    )


# Rotation


def test_a_successor_has_the_same_settings_and_both_keys_work_until_the_overlap_ends(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, start = register(), clock.now()
    settings = {"permissions": {"canRead": True, "canDelete": True}, "rateLimits": {"requestsPerDay": 50}}
    old = create_key(person, **settings)
    response = person.client.post(
        f"/v1/api-keys/{old['id']}/rotate", {"overlapSeconds": 60}, headers={"If-Match": '"1"'}
    )
    assert response.status == 201 and response.headers["Location"].endswith(response.json["id"]), (
        response.text
    )
    new = response.json
    assert new["key"] != old["key"] and new["id"] != old["id"] and new.get("expiresAt") is None
    for name in ("name", "scopes", "permissions", "rateLimits", "userId", "organizationId"):
        assert new[name] == old[name]
    assert request_with(old).status == request_with(new).status == 200
    again = person.client.post(f"/v1/api-keys/{old['id']}/rotate")
    assert status_and_code(again) == (409, "api_key_rotated")
    row = row_of(person, old)
    assert (
        row.ttl and abs(row.ttl - start.timestamp() - 60) < 30 and not expiry_order(row).startswith("never")
    )
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(seconds=120))
    assert status_and_code(request_with(old)) == (401, "api_key_expired") and request_with(new).status == 200


def test_the_old_key_expires_after_the_overlap_which_is_a_day_by_default(aws: None) -> None:
    person = register()
    first, second = create_key(person), create_key(person)
    new = person.client.post(f"/v1/api-keys/{first['id']}/rotate", {"overlapSeconds": 0}).json
    assert request_with(first).status == 401 and request_with(new).status == 200
    person.client.post(f"/v1/api-keys/{second['id']}/rotate")
    ttl = row_of(person, second).ttl
    assert ttl and 86_300 < ttl - clock.epoch_seconds() <= 86_401
    for seconds in (-1, 7 * 86_400 + 1, 1.5):
        response = person.client.post(f"/v1/api-keys/{new['id']}/rotate", {"overlapSeconds": seconds})
        assert response.status == 422


def test_an_overlap_never_extends_the_old_key_and_the_successor_lives_as_long_as_it_did(aws: None) -> None:
    person = register()
    expires = clock.now() + timedelta(hours=1)
    old = create_key(person, expiresAt=expires.isoformat())
    new = person.client.post(f"/v1/api-keys/{old['id']}/rotate").json
    assert person.client.get(f"/v1/api-keys/{old['id']}").json["expiresAt"] == old["expiresAt"]
    assert new["expiresAt"] >= old["expiresAt"]
    later = (clock.now() + timedelta(days=2)).replace(microsecond=0)
    chosen = person.client.post(f"/v1/api-keys/{new['id']}/rotate", {"expiresAt": later.isoformat()}).json
    assert chosen["expiresAt"] == later.isoformat().replace("+00:00", "Z")


def test_a_key_with_a_scope_that_its_user_lost_cannot_be_rotated(aws: None) -> None:
    owner, member = register(), register()
    add_member(member, owner, "admin")
    key = create_key(member, scopes=["agents:delete"])
    at = MemberRow.at(owner.organization["id"], member.user["id"])
    table.change(MemberRow.get(*at), {"role": "viewer"}, {})
    body = {"refreshToken": member.tokens["refreshToken"]}
    token = Client().post("/v1/auth/refresh", body).json["accessToken"]
    member.client.headers["Authorization"] = f"Bearer {token}"
    assert status_and_code(member.client.post(f"/v1/api-keys/{key['id']}/rotate")) == (403, "scope_not_held")
    assert len(member.client.get("/v1/api-keys").json["items"]) == 1


def test_a_rotation_repeated_with_the_same_idempotency_key_shows_the_same_successor(aws: None) -> None:
    person = register()
    path, header = f"/v1/api-keys/{create_key(person)['id']}/rotate", {"Idempotency-Key": "k"}
    responses = [person.client.post(path, {}, headers=header) for _ in range(2)]
    assert responses[0].json == responses[1].json and responses[1].headers["Idempotent-Replayed"] == "true"
    assert len(person.client.get("/v1/api-keys").json["items"]) == 2


# Keys that expire soon


def test_managers_list_the_keys_that_expire_soon(aws: None) -> None:
    owner, member, stranger = register(), register(), register()
    add_member(member, owner, "member")

    def ending(person: RegisteredUser, **after: float) -> str:
        created = create_key(person, expiresAt=(clock.now() + timedelta(**after)).isoformat())
        return str(created["id"])

    later, soon, own = ending(owner, days=3), ending(member, hours=2), ending(owner, days=1)
    ending(stranger, hours=1)
    create_key(owner)
    ending(owner, days=30)

    def list_keys(query: str) -> ApiResponse:
        before = (clock.now() + timedelta(days=7)).isoformat().replace("+", "%2B")
        return owner.client.get(f"/v1/api-keys?expiringBefore={before}{query}")

    assert [item["id"] for item in list_keys("").json["items"]] == [soon, own, later]
    assert [item["id"] for item in list_keys(f"&userId={member.user['id']}").json["items"]] == [soon]
    assert list_keys("&isActive=false").json["items"] == []
    query = "?expiringBefore=2099-01-01T00:00:00Z"
    first = owner.client.get(f"/v1/api-keys{query}&limit=2").json
    rest = owner.client.get(f"/v1/api-keys{query}&limit=2&cursor={first['nextCursor']}").json
    assert len(first["items"]) == len(rest["items"]) == 2 and not rest.get("nextCursor")
    assert status_and_code(member.client.get(f"/v1/api-keys{query}")) == (403, "permission_missing")
    assert owner.client.get("/v1/api-keys?expiringBefore=tomorrow").status == 422
