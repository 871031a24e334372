"""The routes of API keys; how a key is checked stands in test_authorizer."""

from datetime import timedelta
from typing import Any

import boto3
import pytest

from infra import routes
from tests.api.matrix_factories import ASKED
from tests.factories import Registered, join, registered
from tests.gateway import Client
from weconnect import clock
from weconnect.auth.rows import ApiKeyRow
from weconnect.db import table

NEW = {"name": "ci", "scopes": ["agents:read", "agents:execute"]}


def make(person: Registered, **more: Any) -> dict[str, Any]:
    answer = person.client.post("/v1/api-keys", {**NEW, **more})
    assert answer.status == 201, answer.text
    return answer.json  # type: ignore[no-any-return]


def test_a_key_is_shown_once(aws: None) -> None:
    person = registered()
    made = make(person, rateLimits={"requestsPerDay": 5})
    assert made["key"].startswith("wc_") and len(made["key"]) == 46 and made["keyPrefix"] == made["key"][:8]
    assert made["permissions"]["canRead"] is True and made["isActive"] and not made["isExpired"]
    assert made["organizationId"] == person.organization["id"] and made["userId"] == person.user["id"]
    got = person.client.get(f"/v1/api-keys/{made['id']}")
    assert got.status == 200 and got.headers["ETag"] == '"1"'
    assert got.json == {name: value for name, value in made.items() if name != "key"}
    assert "hash" not in got.text.lower()


def test_keys_are_listed_newest_first_in_pages(aws: None) -> None:
    person = registered()
    made = [make(person)["id"] for _ in range(5)]
    make(registered())
    first = person.client.get("/v1/api-keys?limit=3").json
    rest = person.client.get(f"/v1/api-keys?limit=3&cursor={first['nextCursor']}").json
    assert [item["id"] for item in first["items"] + rest["items"]] == made[::-1]
    assert not rest.get("nextCursor")


def test_keys_are_listed_by_activity(aws: None) -> None:
    person = registered()
    active, other = make(person), make(person)
    listed = ApiKeyRow.gsi2.query(ApiKeyRow.by_expiry(person.organization["id"]))
    row = next(row for row in listed if row.id == other["id"])
    table.change(ApiKeyRow.get(row.pk, row.sk), {"is_active": False}, {})
    for flag, found in (("true", active), ("false", other)):
        items = person.client.get(f"/v1/api-keys?isActive={flag}").json["items"]
        assert [item["id"] for item in items] == [found["id"]]


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
def test_what_is_wrong_is_named(aws: None, field: str, value: Any) -> None:
    answer = registered().client.post("/v1/api-keys", {**NEW, field: value})
    assert answer.status == 422, answer.text
    assert answer.json["errors"][0]["pointer"].startswith(f"/{field}")


def test_ranges_are_kept_as_networks_and_expiry_as_ttl(aws: None) -> None:
    person = registered()
    expires = (clock.now() + timedelta(days=1)).replace(microsecond=0)
    permissions = {"canRead": True, "restrictedIPs": ["203.0.113.9/24", "2001:db8::1"]}
    made = make(person, permissions=permissions, expiresAt=expires.isoformat())
    assert made["permissions"]["restrictedIPs"] == ["203.0.113.0/24", "2001:db8::1/128"]
    row = next(iter(ApiKeyRow.gsi2.query(ApiKeyRow.by_expiry(person.organization["id"]))))
    assert row.ttl == int(expires.timestamp()) and row.gsi2sk.startswith(clock.iso(expires))


def test_a_revoked_key_is_gone_from_every_list_and_kept_in_the_trash(aws: None) -> None:
    person = registered()
    made = make(person)
    stale = person.client.delete(f"/v1/api-keys/{made['id']}", headers={"If-Match": '"2"'})
    assert stale.status == 412
    assert person.client.delete(f"/v1/api-keys/{made['id']}", headers={"If-Match": '"1"'}).status == 204
    assert person.client.delete(f"/v1/api-keys/{made['id']}").status == 404
    assert person.client.get(f"/v1/api-keys/{made['id']}").status == 404
    assert person.client.get("/v1/api-keys").json["items"] == []
    kept = ApiKeyRow.get(*ApiKeyRow.trashed_at(person.organization["id"], made["id"]))
    assert kept.deleted_at and kept.actor["userId"] == person.user["id"] and kept.ttl > clock.epoch()


def test_a_strangers_key_is_not_found(aws: None) -> None:
    person, stranger = registered(), registered()
    made, own = make(person), make(stranger)
    for method in ("GET", "DELETE"):
        for query in ("", f"?userId={person.user['id']}"):
            answer = stranger.client.call(method, f"/v1/api-keys/{made['id']}{query}")
            assert (answer.status, answer.json["code"]) == (404, "api_key_not_found")
    assert stranger.client.get(f"/v1/api-keys?userId={person.user['id']}").json["items"] == []
    assert person.client.get(f"/v1/api-keys/{made['id']}").status == 200
    assert stranger.client.get(f"/v1/api-keys/{own['id']}").status == 200


def test_managers_see_and_revoke_members_keys_and_members_do_not(aws: None) -> None:
    owner, member = registered(), registered()
    join(member, owner, "member")
    made = make(member)
    query = f"?userId={member.user['id']}"
    assert [item["id"] for item in owner.client.get(f"/v1/api-keys{query}").json["items"]] == [made["id"]]
    foreign = member.client.get(f"/v1/api-keys?userId={owner.user['id']}")
    assert (foreign.status, foreign.json["code"]) == (403, "permission_missing")
    assert owner.client.delete(f"/v1/api-keys/{made['id']}{query}").status == 204
    assert Client(headers={"X-API-Key": made["key"]}).get("/v1/users/me").status == 401


def test_no_key_may_manage_keys_or_sessions(aws: None) -> None:
    person = registered()
    made = make(person, scopes=["*"], permissions=dict.fromkeys(("canRead", "canWrite", "canDelete"), True))
    client = Client(headers={"X-API-Key": made["key"]})
    guarded = [
        operation
        for operation in routes.load().values()
        if operation.path.startswith(("/v1/auth/", "/v1/api-keys")) and not operation.public
    ]
    assert len(guarded) >= 5
    for operation in guarded:
        path = operation.path.replace("{apiKeyId}", made["id"]).replace("{sessionId}", made["id"])
        answer = client.call(operation.method, path, ASKED[operation.function.__name__].body)
        assert (answer.status, answer.json["code"]) == (403, "api_key_not_allowed"), operation.path


def test_a_repeated_creation_shows_the_same_key_and_keeps_it_sealed(aws: None) -> None:
    person = registered()
    answers = [person.client.post("/v1/api-keys", NEW, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert answers[0].json == answers[1].json and answers[1].headers["Idempotent-Replayed"] == "true"
    stored = repr(boto3.client("dynamodb").scan(TableName="weconnect")["Items"])
    assert answers[0].json["key"] not in stored
    assert len(person.client.get("/v1/api-keys").json["items"]) == 1
