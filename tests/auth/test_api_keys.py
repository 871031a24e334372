"""The routes of API keys. The verification of a key is tested in test_authorizer."""

from datetime import timedelta
from typing import Any

import boto3
import pytest

from infra import routes
from tests.api.matrices import REQUESTS
from tests.factories import RegisteredUser, add_member, register
from tests.gateway import Client
from weconnect import clock
from weconnect.db import table
from weconnect.identity.rows import ApiKeyRow

NEW = {"name": "ci", "scopes": ["agents:read", "agents:execute"]}


def create_key(person: RegisteredUser, **more: Any) -> dict[str, Any]:
    response = person.client.post("/v1/api-keys", {**NEW, **more})
    assert response.status == 201, response.text
    return response.json  # type: ignore[no-any-return]


def test_only_the_response_to_the_creation_shows_the_text_of_a_key(aws: None) -> None:
    person = register()
    created = create_key(person, rateLimits={"requestsPerDay": 5})
    assert (
        created["key"].startswith("wc_")
        and len(created["key"]) == 46
        and created["keyPrefix"] == created["key"][:8]
    )
    assert created["permissions"]["canRead"] is True and created["isActive"] and not created["isExpired"]
    assert created["organizationId"] == person.organization["id"] and created["userId"] == person.user["id"]
    fetched = person.client.get(f"/v1/api-keys/{created['id']}")
    assert fetched.status == 200 and fetched.headers["ETag"] == '"1"'
    assert fetched.json == {name: value for name, value in created.items() if name != "key"}
    assert "hash" not in fetched.text.lower()


def test_keys_are_listed_newest_first_in_pages(aws: None) -> None:
    person = register()
    created = [create_key(person)["id"] for _ in range(5)]
    create_key(register())
    first = person.client.get("/v1/api-keys?limit=3").json
    rest = person.client.get(f"/v1/api-keys?limit=3&cursor={first['nextCursor']}").json
    assert [item["id"] for item in first["items"] + rest["items"]] == created[::-1]
    assert not rest.get("nextCursor")


def test_keys_are_listed_by_activity(aws: None) -> None:
    person = register()
    active, other = create_key(person), create_key(person)
    listed = ApiKeyRow.gsi2.query(ApiKeyRow.by_expiry(person.organization["id"]))
    row = next(row for row in listed if row.id == other["id"])
    table.change(ApiKeyRow.get(row.pk, row.sk), {"is_active": False}, {})
    for flag, expected in (("true", active), ("false", other)):
        items = person.client.get(f"/v1/api-keys?isActive={flag}").json["items"]
        assert [item["id"] for item in items] == [expected["id"]]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "x" * 256),
        ("scopes", []),
        ("scopes", ["agents:fly"]),
        ("scopes", "*"),
        ("permissions", {"canFly": True}),
        ("permissions", {"restrictedIPs": ["300.1.1.1"]}),
        ("permissions", {"restrictedIPs": []}),
        ("rateLimits", {"requestsPerMinute": 0}),
        ("expiresAt", "2020-01-01T00:00:00Z"),
        ("expiresAt", "2099-01-01T00:00:00"),
        ("organizationId", "0199a4e0-0000-7000-8000-000000000001"),
        ("userId", "0199a4e0-0000-7000-8000-000000000002"),
        ("usageCount", 1),
        ("isActive", False),
        ("keyHash", "x"),
    ],
)
def test_an_invalid_key_is_refused_with_its_pointer(aws: None, field: str, value: Any) -> None:
    response = register().client.post("/v1/api-keys", {**NEW, field: value})
    assert response.status == 422, response.text
    assert response.json["errors"][0]["pointer"].startswith(f"/{field}")


def test_ip_ranges_are_stored_as_networks_and_the_expiry_as_ttl(aws: None) -> None:
    person = register()
    expires = (clock.now() + timedelta(days=1)).replace(microsecond=0)
    permissions = {"canRead": True, "restrictedIPs": ["203.0.113.9/24", "2001:db8::1"]}
    created = create_key(person, permissions=permissions, expiresAt=expires.isoformat())
    assert created["permissions"]["restrictedIPs"] == ["203.0.113.0/24", "2001:db8::1/128"]
    row = next(iter(ApiKeyRow.gsi2.query(ApiKeyRow.by_expiry(person.organization["id"]))))
    assert row.ttl == int(expires.timestamp()) and row.gsi2sk.startswith(clock.iso(expires))


def test_a_revoked_key_disappears_from_every_list_and_moves_to_the_trash(aws: None) -> None:
    person = register()
    created = create_key(person)
    stale = person.client.delete(f"/v1/api-keys/{created['id']}", headers={"If-Match": '"2"'})
    assert stale.status == 412
    assert person.client.delete(f"/v1/api-keys/{created['id']}", headers={"If-Match": '"1"'}).status == 204
    assert person.client.delete(f"/v1/api-keys/{created['id']}").status == 404
    assert person.client.get(f"/v1/api-keys/{created['id']}").status == 404
    assert person.client.get("/v1/api-keys").json["items"] == []
    trashed = ApiKeyRow.get(*ApiKeyRow.in_trash(person.organization["id"], created["id"]))
    assert trashed.deleted_at and trashed.ttl and trashed.ttl > clock.epoch_seconds()
    assert trashed.actor and trashed.actor["userId"] == person.user["id"]


def test_a_strangers_key_is_not_found(aws: None) -> None:
    person, stranger = register(), register()
    created, own = create_key(person), create_key(stranger)
    for method in ("GET", "DELETE"):
        for query in ("", f"?userId={person.user['id']}"):
            response = stranger.client.call(method, f"/v1/api-keys/{created['id']}{query}")
            assert (response.status, response.json["code"]) == (404, "api_key_not_found")
    assert stranger.client.get(f"/v1/api-keys?userId={person.user['id']}").json["items"] == []
    assert person.client.get(f"/v1/api-keys/{created['id']}").status == 200
    assert stranger.client.get(f"/v1/api-keys/{own['id']}").status == 200


def test_managers_can_see_and_revoke_the_keys_of_members_but_members_cannot(aws: None) -> None:
    owner, member = register(), register()
    add_member(member, owner, "member")
    created = create_key(member)
    query = f"?userId={member.user['id']}"
    assert [item["id"] for item in owner.client.get(f"/v1/api-keys{query}").json["items"]] == [created["id"]]
    foreign = member.client.get(f"/v1/api-keys?userId={owner.user['id']}")
    assert (foreign.status, foreign.json["code"]) == (403, "permission_missing")
    assert owner.client.delete(f"/v1/api-keys/{created['id']}{query}").status == 204
    assert Client(headers={"X-API-Key": created["key"]}).get("/v1/users/me").status == 401


def test_an_api_key_cannot_manage_keys_or_sessions(aws: None) -> None:
    person = register()
    created = create_key(
        person, scopes=["*"], permissions=dict.fromkeys(("canRead", "canWrite", "canDelete"), True)
    )
    client = Client(headers={"X-API-Key": created["key"]})
    guarded = [
        operation
        for operation in routes.load_operations().values()
        if operation.path.startswith(("/v1/auth/", "/v1/api-keys")) and not operation.public
    ]
    assert len(guarded) >= 5
    for operation in guarded:
        path = operation.path.replace("{apiKeyId}", created["id"]).replace("{sessionId}", created["id"])
        response = client.call(operation.method, path, REQUESTS[operation.function.__name__].body)
        assert (response.status, response.json["code"]) == (403, "api_key_not_allowed"), operation.path


def test_a_creation_repeated_with_the_same_idempotency_key_shows_the_same_key_and_stores_it_encrypted(
    aws: None,
) -> None:
    person = register()
    responses = [person.client.post("/v1/api-keys", NEW, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert responses[0].json == responses[1].json and responses[1].headers["Idempotent-Replayed"] == "true"
    stored = repr(boto3.client("dynamodb").scan(TableName="weconnect")["Items"])
    assert responses[0].json["key"] not in stored
    assert len(person.client.get("/v1/api-keys").json["items"]) == 1
