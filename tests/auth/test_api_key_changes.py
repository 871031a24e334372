"""API keys changed and rotated, the scopes they may have, and the list of those that end soon."""

from datetime import timedelta
from typing import Any

import pytest

from tests.factories import Registered, join, registered
from tests.gateway import Answer, Client
from weconnect import clock
from weconnect.auth.rows import ApiKeyRow
from weconnect.db import table
from weconnect.organizations.rows import MemberRow

READ = {"name": "ci", "scopes": ["agents:read"]}


def make(person: Registered, **more: Any) -> dict[str, Any]:
    answer = person.client.post("/v1/api-keys", {**READ, **more})
    assert answer.status == 201, answer.text
    return answer.json  # type: ignore[no-any-return]


def change(person: Registered, key: dict[str, Any], body: dict[str, Any], **options: Any) -> Answer:
    return person.client.patch(f"/v1/api-keys/{key['id']}", body, **options)


def use(key: dict[str, Any], path: str = "/v1/agents") -> Answer:
    return Client(headers={"X-API-Key": key["key"]}).get(path)


def row_of(person: Registered, key: dict[str, Any]) -> ApiKeyRow:
    listed = ApiKeyRow.gsi2.query(ApiKeyRow.by_expiry(person.organization["id"]))
    return next(row for row in listed if row.id == key["id"])


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["code"]


def test_every_setting_of_a_key_can_be_changed(aws: None) -> None:
    person = registered()
    key = make(person)
    expires = (clock.now() + timedelta(days=3)).replace(microsecond=0)
    body = {
        "name": "renamed",
        "scopes": ["agents:read", "agents:create", "agents:read"],
        "permissions": {"canRead": True, "canWrite": True, "restrictedIPs": ["203.0.113.0/24"]},
        "rateLimits": {"requestsPerHour": 9},
        "expiresAt": expires.isoformat(),
    }
    answer = change(person, key, body, headers={"If-Match": '"1"'})
    assert answer.status == 200 and answer.headers["ETag"] == '"2"', answer.text
    found = person.client.get(f"/v1/api-keys/{key['id']}").json
    assert found == answer.json and "key" not in found
    assert found["name"] == "renamed" and found["scopes"] == ["agents:read", "agents:create"]
    assert found["rateLimits"]["requestsPerHour"] == 9 and found["permissions"]["canWrite"] is True
    row = row_of(person, key)
    assert row.ttl == int(expires.timestamp()) and row.gsi2sk.startswith(clock.iso(expires))
    assert use(key).status == 200
    stale = change(person, key, {"name": "x"}, headers={"If-Match": '"1"'})
    assert stale.status == 412
    lifted = change(person, key, {"expiresAt": None}).json
    assert lifted.get("expiresAt") is None and row_of(person, key).ttl is None
    assert row_of(person, key).gsi2sk.startswith("never")


def test_a_key_that_is_switched_off_is_refused_at_once_and_comes_back(aws: None) -> None:
    person = registered()
    key = make(person)
    assert change(person, key, {"isActive": False}).json["isActive"] is False
    assert code(use(key)) == (401, "invalid_api_key")
    assert change(person, key, {"isActive": True}).status == 200
    assert use(key).status == 200


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
def test_what_is_wrong_with_a_change_is_named(aws: None, field: str, value: Any) -> None:
    person = registered()
    key = make(person)
    answer = change(person, key, {field: value})
    assert answer.status == 422 and answer.json["errors"][0]["pointer"].startswith(f"/{field}"), answer.text
    assert person.client.get(f"/v1/api-keys/{key['id']}").json["version"] == 1


# Scopes


def test_nobody_makes_a_key_with_a_scope_that_he_lacks(aws: None) -> None:
    owner, member = registered(), registered()
    join(member, owner, "member")
    for scopes in (["organization:manage"], ["agents:read", "agents:delete"], ["*"]):
        answer = member.client.post("/v1/api-keys", {"name": "x", "scopes": scopes})
        assert code(answer) == (403, "scope_not_held")
        assert answer.json["errors"][0]["pointer"] == f"/scopes/{len(scopes) - 1}"
    key = make(member)
    assert code(change(member, key, {"scopes": ["*"]})) == (403, "scope_not_held")
    assert change(member, key, {"scopes": ["agents:create"]}).status == 200
    assert make(owner, scopes=["*"])["scopes"] == ["*"]


def test_a_manager_changes_a_members_key_but_never_gets_its_successor(aws: None) -> None:
    owner, admin, member = registered(), registered(), registered()
    join(admin, owner, "admin")
    join(member, owner, "member")
    key = make(member)
    path = f"/v1/api-keys/{key['id']}"
    query = f"?userId={member.user['id']}"
    assert admin.client.patch(path + query, {"isActive": False}).json["isActive"] is False
    beyond = admin.client.patch(path + query, {"scopes": ["organization:billing"]})
    assert code(beyond) == (403, "scope_not_held")
    assert code(admin.client.post(f"{path}/rotate{query}", {})) == (404, "api_key_not_found")
    assert code(member.client.patch(f"{path}?userId={owner.user['id']}", {})) == (403, "permission_missing")


# Rotation


def test_a_successor_has_the_settings_and_both_work_until_the_overlap_ends(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, start = registered(), clock.now()
    settings = {"permissions": {"canRead": True, "canDelete": True}, "rateLimits": {"requestsPerDay": 50}}
    old = make(person, **settings)
    answer = person.client.post(
        f"/v1/api-keys/{old['id']}/rotate", {"overlapSeconds": 60}, headers={"If-Match": '"1"'}
    )
    assert answer.status == 201 and answer.headers["Location"].endswith(answer.json["id"]), answer.text
    new = answer.json
    assert new["key"] != old["key"] and new["id"] != old["id"] and new.get("expiresAt") is None
    for name in ("name", "scopes", "permissions", "rateLimits", "userId", "organizationId"):
        assert new[name] == old[name]
    assert use(old).status == use(new).status == 200
    again = person.client.post(f"/v1/api-keys/{old['id']}/rotate")
    assert code(again) == (409, "api_key_rotated")
    row = row_of(person, old)
    assert row.ttl and abs(row.ttl - start.timestamp() - 60) < 30 and not row.gsi2sk.startswith("never")
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(seconds=120))
    assert code(use(old)) == (401, "api_key_expired") and use(new).status == 200


def test_without_an_overlap_the_old_key_ends_at_once_and_by_default_after_a_day(aws: None) -> None:
    person = registered()
    first, second = make(person), make(person)
    new = person.client.post(f"/v1/api-keys/{first['id']}/rotate", {"overlapSeconds": 0}).json
    assert use(first).status == 401 and use(new).status == 200
    person.client.post(f"/v1/api-keys/{second['id']}/rotate")
    left = row_of(person, second).ttl - clock.epoch()
    assert 86_300 < left <= 86_401
    for seconds in (-1, 7 * 86_400 + 1, 1.5):
        answer = person.client.post(f"/v1/api-keys/{new['id']}/rotate", {"overlapSeconds": seconds})
        assert answer.status == 422


def test_an_overlap_does_not_lengthen_a_life_and_a_successor_lives_as_long(aws: None) -> None:
    person = registered()
    expires = clock.now() + timedelta(hours=1)
    old = make(person, expiresAt=expires.isoformat())
    new = person.client.post(f"/v1/api-keys/{old['id']}/rotate").json
    assert person.client.get(f"/v1/api-keys/{old['id']}").json["expiresAt"] == old["expiresAt"]
    assert new["expiresAt"] >= old["expiresAt"]
    later = (clock.now() + timedelta(days=2)).replace(microsecond=0)
    chosen = person.client.post(f"/v1/api-keys/{new['id']}/rotate", {"expiresAt": later.isoformat()}).json
    assert chosen["expiresAt"] == later.isoformat().replace("+00:00", "Z")


def test_who_lost_a_scope_cannot_rotate_it_on(aws: None) -> None:
    owner, member = registered(), registered()
    join(member, owner, "admin")
    key = make(member, scopes=["agents:delete"])
    at = MemberRow.at(owner.organization["id"], member.user["id"])
    table.change(MemberRow.get(*at), {"role": "viewer"}, {})
    body = {"refreshToken": member.tokens["refreshToken"]}
    token = Client().post("/v1/auth/refresh", body).json["accessToken"]
    member.client.headers["Authorization"] = f"Bearer {token}"
    assert code(member.client.post(f"/v1/api-keys/{key['id']}/rotate")) == (403, "scope_not_held")
    assert len(member.client.get("/v1/api-keys").json["items"]) == 1


def test_a_repeated_rotation_shows_the_same_successor(aws: None) -> None:
    person = registered()
    path, header = f"/v1/api-keys/{make(person)['id']}/rotate", {"Idempotency-Key": "k"}
    answers = [person.client.post(path, {}, headers=header) for _ in range(2)]
    assert answers[0].json == answers[1].json and answers[1].headers["Idempotent-Replayed"] == "true"
    assert len(person.client.get("/v1/api-keys").json["items"]) == 2


# Keys that end soon


def test_managers_list_the_keys_that_end_soon(aws: None) -> None:
    owner, member, stranger = registered(), registered(), registered()
    join(member, owner, "member")

    def ending(person: Registered, **after: float) -> str:
        made = make(person, expiresAt=(clock.now() + timedelta(**after)).isoformat())
        return str(made["id"])

    later, soon, own = ending(owner, days=3), ending(member, hours=2), ending(owner, days=1)
    ending(stranger, hours=1)
    make(owner)
    ending(owner, days=30)

    def listed(query: str) -> Answer:
        before = (clock.now() + timedelta(days=7)).isoformat().replace("+", "%2B")
        return owner.client.get(f"/v1/api-keys?expiringBefore={before}{query}")

    assert [item["id"] for item in listed("").json["items"]] == [soon, own, later]
    assert [item["id"] for item in listed(f"&userId={member.user['id']}").json["items"]] == [soon]
    assert listed("&isActive=false").json["items"] == []
    query = "?expiringBefore=2099-01-01T00:00:00Z"
    first = owner.client.get(f"/v1/api-keys{query}&limit=2").json
    rest = owner.client.get(f"/v1/api-keys{query}&limit=2&cursor={first['nextCursor']}").json
    assert len(first["items"]) == len(rest["items"]) == 2 and not rest.get("nextCursor")
    assert code(member.client.get(f"/v1/api-keys{query}")) == (403, "permission_missing")
    assert owner.client.get("/v1/api-keys?expiringBefore=tomorrow").status == 422
