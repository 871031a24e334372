"""The authorizer: API keys, the organization header, operators, and the modules that it must not import."""

import json
import subprocess
import sys
from datetime import timedelta
from typing import Any

import boto3
import pytest

from infra.cloudformation import ROOT
from tests.factories import RegisteredUser, client_with_tokens, register
from tests.gateway import Client
from weconnect import aws as weconnect_aws
from weconnect import clock
from weconnect.auth import authorizer
from weconnect.db import table
from weconnect.identity.rows import ApiKeyRow, UserRow
from weconnect.organizations.rows import MemberRow, OrganizationRow

COLD_START = """
import sys
from weconnect.security import signing
key = signing.SigningKey("v", b"s" * 64)
signing._current, signing._keys_by_id = key, {"v": key}
from auth.authorize import handler
from weconnect.auth.sessions import tokens
access = tokens.AccessClaims(*(["0197b3a0-0000-7000-8000-000000000000"] * 3), "owner", ("*",))
event = {
    "headers": {"authorization": "Bearer " + tokens.sign_access_token(access)},
    "requestContext": {"http": {"method": "GET"}},
}
response = handler(event, None)
assert response["isAuthorized"] and response["context"]["permissions"] == "*", response
print(",".join(sorted(name for name in sys.modules if "." not in name)))
failed = handler({"headers": {"x-api-key": "wc_" + "x" * 43}}, None)  # has no address of the caller
assert "unavailable" in failed["context"]["problem"], failed
"""

INITIALIZATION = """
from weconnect import aws
calls = []

def call(service, operation, body, **options):
    calls.append((operation, body["VersionStage"]))
    if body["VersionStage"] == "AWSPREVIOUS":
        raise aws.AwsError("ResourceNotFoundException", "", 400)
    if FAILS:
        raise aws.AwsError("ConnectionFailed", "", 0)
    return {"VersionId": "v", "SecretString": "s"}

aws.call = call
from auth import authorize
from weconnect.security import signing
print(*calls[0], signing._current is not None)
"""


def client_with_key(person: RegisteredUser, **more: Any) -> Client:
    """Return a client with a new API key of this user."""
    body = {"name": "ci", "scopes": ["*"], "permissions": {"canRead": True, "canWrite": True}, **more}
    response = person.client.post("/v1/api-keys", body)
    assert response.status == 201, response.text
    return Client(headers={"X-API-Key": response.json["key"]})


def context(client: Client, method: str = "GET") -> dict[str, Any]:
    """Return the context that the authorizer adds to this client's requests."""
    headers = {name.lower(): value for name, value in client.headers.items()}
    event = {"headers": headers, "requestContext": {"http": {"sourceIp": client.ip, "method": method}}}
    response = authorizer.authorize(event)
    assert response["isAuthorized"] is True
    assert all(isinstance(value, str) for value in response["context"].values())
    return response["context"]  # type: ignore[no-any-return]


def status_and_code(client: Client) -> tuple[int, str]:
    problem = json.loads(context(client)["problem"])
    assert problem["title"] and problem["detail"] and isinstance(problem["headers"], dict)
    return problem["status"], problem["code"]


def run_with_its_layer(program: str, **variables: str) -> str:
    """Run a program with our layer and the standard library alone, as in the function; return its output."""
    paths = [str(ROOT / "layers" / "weconnect"), str(ROOT / "functions")]
    process = subprocess.run(
        [sys.executable, "-S", "-c", program],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(paths), **variables},
    )
    assert process.returncode == 0, process.stderr
    return process.stdout.strip()


def test_a_token_is_verified_and_a_failure_logged_with_the_authorizers_layer_alone() -> None:
    modules = set(run_with_its_layer(COLD_START).split(","))
    assert "weconnect" in modules
    assert not {"botocore", "pynamodb", "cryptography", "pydantic", "aws_lambda_powertools"} & modules


@pytest.mark.parametrize(("fails", "is_read"), [("False", "True"), ("True", "False")])
def test_the_signing_secret_is_read_before_the_first_request(fails: str, is_read: str) -> None:
    program = INITIALIZATION.replace("FAILS", fails)
    expected = f"secretsmanager.GetSecretValue AWSCURRENT {is_read}"
    assert run_with_its_layer(program, AWS_LAMBDA_INITIALIZATION_TYPE="on-demand") == expected


def test_a_token_for_reading_is_verified_without_a_call_to_aws(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = register()
    monkeypatch.setattr(weconnect_aws, "call", lambda *_, **__: pytest.fail("AWS was called"))
    caller = context(person.client)
    assert caller["userId"] == person.user["id"] and caller["organizationId"] == person.organization["id"]
    assert (caller["role"], caller["permissions"], caller["operator"], caller["apiKeyId"]) == (
        "owner",
        "*",
        "",
        "",
    )


def test_a_key_acts_as_its_user_within_its_scopes(aws: None) -> None:
    person = register()
    client = client_with_key(
        person, scopes=["agents:read", "agents:create", "agents:delete", "organization:manage"]
    )
    caller = context(client)
    assert caller["userId"] == person.user["id"] and caller["organizationId"] == person.organization["id"]
    assert caller["permissions"].split() == ["agents:create", "agents:read", "organization:manage"]
    assert caller["apiKeyId"] and not caller["sessionId"] and not caller["operator"]
    assert client.get("/v1/users/me").json["id"] == person.user["id"]


def test_a_key_may_only_read_by_default(aws: None) -> None:
    person = register()
    response = person.client.post("/v1/api-keys", {"name": "ci", "scopes": ["*"]})
    granted = context(Client(headers={"X-API-Key": response.json["key"]}))["permissions"].split()
    assert granted and all(permission.endswith(":read") for permission in granted)


@pytest.mark.parametrize("emptied", [{"scopes": []}, {"permissions": {}}])
def test_a_key_without_scopes_or_flags_has_no_permissions(aws: None, emptied: dict[str, Any]) -> None:
    person = register()
    client = client_with_key(person)
    row = next(iter(ApiKeyRow.gsi2.query(ApiKeyRow.by_expiry(person.organization["id"]))))
    table.change(ApiKeyRow.get(row.pk, row.sk), emptied, {})
    assert context(client)["permissions"] == ""


def test_a_key_never_has_more_permissions_than_its_user(aws: None) -> None:
    person = register()
    client = client_with_key(person)
    member = MemberRow.get(*MemberRow.at(person.organization["id"], person.user["id"]))
    table.change(member, {"role": "viewer"}, {})
    assert all(permission.endswith(":read") for permission in context(client)["permissions"].split())
    table.change(member, {"role": "member", "permissions": {"agents": {"create": False}}}, {})
    granted = context(client)["permissions"].split()
    assert (
        "workflows:create" in granted
        and "agents:create" not in granted
        and "organization:manage" not in granted
    )
    user = UserRow.get(*UserRow.at(person.user["id"]))
    table.change(user, {"role": "readonly"}, {})
    assert all(permission.endswith(":read") for permission in context(client)["permissions"].split())
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
    status, code = status_and_code(Client(headers={"X-API-Key": text}))
    assert (status, code) == (401, "invalid_api_key" if text else "unauthenticated")


def test_a_revoked_key_is_refused_at_once(aws: None) -> None:
    person = register()
    client = client_with_key(person)
    listed = person.client.get("/v1/api-keys").json["items"]
    assert person.client.delete(f"/v1/api-keys/{listed[0]['id']}").status == 204
    response = client.get("/v1/users/me")
    assert (response.status, response.json["code"]) == (401, "invalid_api_key")


def test_an_inactive_key_is_refused(aws: None) -> None:
    person = register()
    client = client_with_key(person)
    row = next(iter(ApiKeyRow.gsi2.query(ApiKeyRow.by_expiry(person.organization["id"]))))
    table.change(ApiKeyRow.get(row.pk, row.sk), {"is_active": False}, {})
    assert status_and_code(client) == (401, "invalid_api_key")


def test_an_expired_key_is_refused(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    person, start = register(), clock.now()
    client = client_with_key(person, expiresAt=(start + timedelta(hours=1)).isoformat())
    assert "problem" not in context(client)
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(hours=1))
    assert status_and_code(client) == (401, "api_key_expired")


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
def test_a_key_can_be_restricted_to_ip_addresses(
    aws: None, ranges: list[str], ip: str, allowed: bool
) -> None:
    client = client_with_key(register(), permissions={"canRead": True, "restrictedIPs": ranges})
    client.ip = ip
    if allowed:
        assert "problem" not in context(client)
    else:
        assert status_and_code(client) == (403, "ip_not_allowed")


@pytest.mark.parametrize("row_class", [UserRow, MemberRow, OrganizationRow])
def test_a_key_is_refused_when_its_user_membership_or_organization_is_inactive(
    aws: None, row_class: Any
) -> None:
    person = register()
    client = client_with_key(person)
    user, organization = person.user["id"], person.organization["id"]
    keys_by_class = {
        UserRow: UserRow.at(user),
        MemberRow: MemberRow.at(organization, user),
        OrganizationRow: OrganizationRow.at(organization),
    }
    table.change(row_class.get(*keys_by_class[row_class]), {"is_active": False}, {})
    assert status_and_code(client)[0] == (401 if row_class is UserRow else 403)


def test_the_organization_header_must_name_the_callers_organization(aws: None) -> None:
    person, stranger = register(), register()
    for client in (person.client, client_with_key(person)):
        own = Client(headers={**client.headers, "X-Organization-Id": person.organization["id"].upper()})
        assert context(own)["organizationId"] == person.organization["id"]
        for name in (stranger.organization["id"], "x", "ORG#x"):
            foreign = Client(headers={**client.headers, "X-Organization-Id": name})
            assert status_and_code(foreign) == (403, "wrong_organization")


def test_an_operator_may_name_any_organization_and_acts_as_its_owner(aws: None) -> None:
    person, stranger = register(), register()
    row = UserRow.get(*UserRow.at(person.user["id"]))
    table.change(row, {"role": "admin", "email_verified": True}, {})
    tokens = Client().post("/v1/auth/refresh", {"refreshToken": person.tokens["refreshToken"]}).json
    operator = client_with_tokens(tokens)
    assert context(operator)["operator"] == "true"
    there = Client(headers={**operator.headers, "X-Organization-Id": stranger.organization["id"]})
    caller = context(there)
    assert (caller["organizationId"], caller["role"], caller["permissions"]) == (
        stranger.organization["id"],
        "owner",
        "*",
    )
    assert there.get(f"/v1/organizations/{stranger.organization['id']}").status == 200
    nowhere = Client(headers={**operator.headers, "X-Organization-Id": person.user["id"]})
    assert status_and_code(nowhere) == (404, "organization_not_found")


def test_an_admin_with_an_unverified_address_does_not_operate_the_deployment(aws: None) -> None:
    person = register()
    table.change(UserRow.get(*UserRow.at(person.user["id"])), {"role": "admin"}, {})
    tokens = Client().post("/v1/auth/refresh", {"refreshToken": person.tokens["refreshToken"]}).json
    assert context(client_with_tokens(tokens))["operator"] == ""


def test_uses_of_a_key_are_stored_at_most_once_a_minute(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    person, start = register(), clock.now()
    client = client_with_key(person)

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


def test_a_table_that_does_not_respond_gives_503(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_with_key(register())

    def down(*_: Any, **__: Any) -> Any:
        raise weconnect_aws.AwsError("ConnectionFailed", "x", 0)

    monkeypatch.setattr(weconnect_aws, "call", down)
    assert status_and_code(client) == (503, "unavailable")


def test_a_use_that_cannot_be_stored_does_not_refuse_the_request(
    aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, real = client_with_key(register()), weconnect_aws.call

    def no_writes(service: str, operation: str, body: Any, **options: Any) -> Any:
        if operation == "UpdateItem":
            assert options == {"attempts": 1}
            raise weconnect_aws.AwsError("ThrottlingException", "x", 400)
        return real(service, operation, body, **options)

    monkeypatch.setattr(weconnect_aws, "call", no_writes)
    assert "problem" not in context(client)


def test_the_text_of_a_key_is_not_stored(aws: None) -> None:
    client = client_with_key(register())
    everything = json.dumps(boto3.client("dynamodb").scan(TableName="weconnect")["Items"])
    assert client.headers["X-API-Key"] not in everything and client.headers["X-API-Key"][3:] not in everything
