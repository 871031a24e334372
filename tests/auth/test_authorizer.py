"""The authorizer: API keys, the organization header, the operator, and what it may not import."""

import json
import subprocess
import sys
from datetime import timedelta
from typing import Any

import boto3
import pytest

from infra.cloudformation import ROOT
from tests.factories import Registered, bearer, registered
from tests.gateway import Client
from weconnect import aws as weconnect_aws
from weconnect import clock
from weconnect.auth import authorizer
from weconnect.auth.rows import ApiKeyRow, UserRow
from weconnect.db import table
from weconnect.organizations.rows import MemberRow, OrganizationRow

UNTOUCHED = """
import sys
from weconnect import signing
key = signing.SigningKey("v", b"s" * 64)
signing._current, signing._known = key, {"v": key}
from auth.authorize import handler
from weconnect.auth import tokens
access = tokens.Access(*(["0197b3a0-0000-7000-8000-000000000000"] * 3), "owner", ("*",))
event = {"headers": {"authorization": "Bearer " + tokens.sign_access(access)}}
answer = handler(event, None)
assert answer["isAuthorized"] and answer["context"]["permissions"] == "*", answer
print(",".join(sorted(name for name in sys.modules if "." not in name)))
"""


def key_of(person: Registered, **more: Any) -> Client:
    """A client with a new API key of this person."""
    body = {"name": "ci", "scopes": ["*"], "permissions": {"canRead": True, "canWrite": True}, **more}
    answer = person.client.post("/v1/api-keys", body)
    assert answer.status == 201, answer.text
    return Client(headers={"X-API-Key": answer.json["key"]})


def context(client: Client) -> dict[str, Any]:
    """What the authorizer says about this client's requests."""
    headers = {name.lower(): value for name, value in client.headers.items()}
    event = {"headers": headers, "requestContext": {"http": {"sourceIp": client.ip}}}
    answer = authorizer.answer(event)
    assert answer["isAuthorized"] is True
    assert all(isinstance(value, str) for value in answer["context"].values())
    return answer["context"]  # type: ignore[no-any-return]


def problem(client: Client) -> tuple[int, str]:
    found = json.loads(context(client)["problem"])
    assert found["detail"] and isinstance(found["headers"], dict)
    return found["status"], found["code"]


def test_a_token_is_verified_without_botocore_or_anything_heavy() -> None:
    paths = [str(ROOT / "layers" / "weconnect"), str(ROOT / "functions")]
    done = subprocess.run(
        [sys.executable, "-c", UNTOUCHED], capture_output=True, text=True, env={"PYTHONPATH": ":".join(paths)}
    )
    assert done.returncode == 0, done.stderr
    heavy = {"botocore", "boto3", "pynamodb", "cryptography", "pydantic", "aws_lambda_powertools", "bcrypt"}
    assert not heavy & set(done.stdout.strip().split(","))


def test_a_token_asks_nobody(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    person = registered()
    monkeypatch.setattr(weconnect_aws, "call", lambda *_, **__: pytest.fail("AWS was asked"))
    found = context(person.client)
    assert found["userId"] == person.user["id"] and found["organizationId"] == person.organization["id"]
    assert (found["role"], found["permissions"], found["operator"], found["apiKeyId"]) == (
        "owner",
        "*",
        "",
        "",
    )


def test_a_key_acts_as_its_user_within_its_scopes(aws: None) -> None:
    person = registered()
    client = key_of(person, scopes=["agents:read", "agents:create", "agents:delete", "organization:manage"])
    found = context(client)
    assert found["userId"] == person.user["id"] and found["organizationId"] == person.organization["id"]
    assert found["permissions"].split() == ["agents:create", "agents:read", "organization:manage"]
    assert found["apiKeyId"] and not found["sessionId"] and not found["operator"]
    assert client.get("/v1/users/me").json["id"] == person.user["id"]


def test_a_key_reads_only_unless_told_otherwise(aws: None) -> None:
    person = registered()
    answer = person.client.post("/v1/api-keys", {"name": "ci", "scopes": ["*"]})
    words = context(Client(headers={"X-API-Key": answer.json["key"]}))["permissions"].split()
    assert words and all(word.endswith(":read") for word in words)


@pytest.mark.parametrize("emptied", [{"scopes": []}, {"permissions": {}}])
def test_empty_grants_nothing(aws: None, emptied: dict[str, Any]) -> None:
    person = registered()
    client = key_of(person)
    row = next(iter(ApiKeyRow.gsi2.query(ApiKeyRow.by_expiry(person.organization["id"]))))
    table.change(ApiKeyRow.get(row.pk, row.sk), emptied, {})
    assert context(client)["permissions"] == ""


def test_a_key_has_no_more_than_its_user(aws: None) -> None:
    person = registered()
    client = key_of(person)
    member = MemberRow.get(*MemberRow.at(person.organization["id"], person.user["id"]))
    table.change(member, {"role": "viewer"}, {})
    assert all(word.endswith(":read") for word in context(client)["permissions"].split())
    table.change(member, {"role": "member", "permissions": {"agents": {"create": False}}}, {})
    words = context(client)["permissions"].split()
    assert "workflows:create" in words and "agents:create" not in words and "organization:manage" not in words
    user = UserRow.get(*UserRow.at(person.user["id"]))
    table.change(user, {"role": "readonly"}, {})
    assert all(word.endswith(":read") for word in context(client)["permissions"].split())
    table.change(user, {"role": "guest"}, {})
    assert context(client)["permissions"] == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "wc_",
        "wc_" + "a" * 42,
        "wc_" + "a" * 43,
        "wc_" + "a" * 44,
        "WC_" + "a" * 43,
        "wc_" + "é" * 43,
    ],
)
def test_an_unknown_key_is_refused(aws: None, text: str) -> None:
    status, code = problem(Client(headers={"X-API-Key": text}))
    assert (status, code) == (401, "invalid_api_key" if text else "unauthenticated")


def test_a_revoked_key_is_refused_at_once(aws: None) -> None:
    person = registered()
    client = key_of(person)
    listed = person.client.get("/v1/api-keys").json["items"]
    assert person.client.delete(f"/v1/api-keys/{listed[0]['id']}").status == 204
    answer = client.get("/v1/users/me")
    assert (answer.status, answer.json["code"]) == (401, "invalid_api_key")


def test_an_inactive_key_is_refused(aws: None) -> None:
    person = registered()
    client = key_of(person)
    row = next(iter(ApiKeyRow.gsi2.query(ApiKeyRow.by_expiry(person.organization["id"]))))
    table.change(ApiKeyRow.get(row.pk, row.sk), {"is_active": False}, {})
    assert problem(client) == (401, "invalid_api_key")


def test_an_expired_key_is_refused(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    person, start = registered(), clock.now()
    client = key_of(person, expiresAt=(start + timedelta(hours=1)).isoformat())
    assert "problem" not in context(client)
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(hours=1))
    assert problem(client) == (401, "api_key_expired")


@pytest.mark.parametrize(
    ("ranges", "ip", "allowed"),
    [
        (["203.0.113.0/24"], "203.0.113.9", True),
        (["203.0.113.0/24"], "203.0.114.9", False),
        (["203.0.113.9"], "203.0.113.9", True),
        (["203.0.113.0/24"], "::ffff:203.0.113.9", True),
        (["2001:db8::/32"], "2001:db8::1", True),
        (["2001:db8::/32"], "2001:db9::1", False),
        (["2001:db8::/32"], "203.0.113.9", False),
        (["198.51.100.1", "2001:db8::/32"], "2001:db8::1", True),
    ],
)
def test_a_key_may_be_bound_to_addresses(aws: None, ranges: list[str], ip: str, allowed: bool) -> None:
    client = key_of(registered(), permissions={"canRead": True, "restrictedIPs": ranges})
    client.ip = ip
    if allowed:
        assert "problem" not in context(client)
    else:
        assert problem(client) == (403, "ip_not_allowed")


@pytest.mark.parametrize("row_class", [UserRow, MemberRow, OrganizationRow])
def test_a_key_ends_with_its_user_membership_or_organization(aws: None, row_class: Any) -> None:
    person = registered()
    client = key_of(person)
    user, organization = person.user["id"], person.organization["id"]
    places = {
        UserRow: UserRow.at(user),
        MemberRow: MemberRow.at(organization, user),
        OrganizationRow: OrganizationRow.at(organization),
    }
    table.change(row_class.get(*places[row_class]), {"is_active": False}, {})
    assert problem(client)[0] == (401 if row_class is UserRow else 403)


def test_the_organization_header_must_be_the_callers_own(aws: None) -> None:
    person, stranger = registered(), registered()
    for client in (person.client, key_of(person)):
        own = Client(headers={**client.headers, "X-Organization-Id": person.organization["id"].upper()})
        assert context(own)["organizationId"] == person.organization["id"]
        for name in (stranger.organization["id"], "x", "ORG#x"):
            foreign = Client(headers={**client.headers, "X-Organization-Id": name})
            assert problem(foreign) == (403, "wrong_organization")


def test_an_operator_may_name_any_organization_and_is_owner_there(aws: None) -> None:
    person, stranger = registered(), registered()
    row = UserRow.get(*UserRow.at(person.user["id"]))
    table.change(row, {"role": "admin", "email_verified": True}, {})
    tokens = Client().post("/v1/auth/refresh", {"refreshToken": person.tokens["refreshToken"]}).json
    operator = bearer(tokens)
    assert context(operator)["operator"] == "true"
    there = Client(headers={**operator.headers, "X-Organization-Id": stranger.organization["id"]})
    found = context(there)
    assert (found["organizationId"], found["role"], found["permissions"]) == (
        stranger.organization["id"],
        "owner",
        "*",
    )
    assert there.get(f"/v1/organizations/{stranger.organization['id']}").status == 200
    nowhere = Client(headers={**operator.headers, "X-Organization-Id": person.user["id"]})
    assert problem(nowhere) == (404, "organization_not_found")


def test_an_admin_of_an_unverified_address_is_no_operator(aws: None) -> None:
    person = registered()
    table.change(UserRow.get(*UserRow.at(person.user["id"])), {"role": "admin"}, {})
    tokens = Client().post("/v1/auth/refresh", {"refreshToken": person.tokens["refreshToken"]}).json
    assert context(bearer(tokens))["operator"] == ""


def test_uses_are_written_down_once_a_minute(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    person, start = registered(), clock.now()
    client = key_of(person)

    def uses_after(seconds: int) -> tuple[int, str | None]:
        monkeypatch.setattr(clock, "now", lambda: start + timedelta(seconds=seconds))
        assert "problem" not in context(client)
        row = next(iter(ApiKeyRow.gsi2.query(ApiKeyRow.by_expiry(person.organization["id"]))))
        return row.usage_count, row.last_used_at

    first = clock.iso(start)
    assert uses_after(0) == (1, first)
    assert uses_after(30) == (1, first)
    assert uses_after(59) == (1, first)
    assert uses_after(60) == (4, clock.iso(start + timedelta(seconds=60)))
    listed = person.client.get("/v1/api-keys").json["items"][0]
    assert (listed["usageCount"], listed["version"]) == (4, 1)


def test_a_table_that_does_not_answer_is_503(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    client = key_of(registered())

    def down(*_: Any, **__: Any) -> Any:
        raise weconnect_aws.AwsError("ConnectionFailed", "x", 0)

    monkeypatch.setattr(weconnect_aws, "call", down)
    assert problem(client) == (503, "unavailable")


def test_a_use_that_cannot_be_written_down_is_no_refusal(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    client, real = key_of(registered()), weconnect_aws.call

    def no_writes(service: str, operation: str, body: Any, **options: Any) -> Any:
        if operation == "UpdateItem":
            assert options == {"attempts": 1}
            raise weconnect_aws.AwsError("ThrottlingException", "x", 400)
        return real(service, operation, body, **options)

    monkeypatch.setattr(weconnect_aws, "call", no_writes)
    assert "problem" not in context(client)


def test_the_key_itself_is_stored_nowhere(aws: None) -> None:
    client = key_of(registered())
    everything = json.dumps(boto3.client("dynamodb").scan(TableName="weconnect")["Items"])
    assert client.headers["X-API-Key"] not in everything and client.headers["X-API-Key"][3:] not in everything
