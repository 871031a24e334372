"""The secrets in a tool's configuration: stored encrypted, shown to nobody, sent, and hidden in what comes back."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.agents.fake_http_api import FakeApi
from tests.factories import RegisteredUser
from tests.organizations.organization_helpers import register_member
from tests.workflows.definitions import definition, node
from weconnect.agents.tools import http_tool
from weconnect.agents.tools.errors import ToolError
from weconnect.db.table import Row
from weconnect.security import secrecy, secret_fields

MASK = "••••"
HEADER, QUERY, BODY, USER, PIN = (
    f"canary-{part}-7731" for part in ("header", "query", "body", "user", "pin")
)
SECRETS = (HEADER, QUERY, BODY, USER, PIN)


@pytest.fixture
def path(me: RegisteredUser) -> str:
    return f"/v1/agents/{me.client.post('/v1/agents', {'name': 'Helper'}).json['id']}"


def build_tool(url: str) -> dict[str, Any]:
    server = url.removeprefix("http://")
    return {
        "toolName": "orders",
        "toolType": "http",
        "configuration": {
            "apiEndpoint": f"http://ann:{USER}@{server}/orders?api_key={QUERY}&page=1",
            "parameters": {
                "method": "POST",
                "headers": {
                    "x-auth-token": HEADER,
                    "accept": "text/plain",
                    "authorization": "Bearer {token}",
                },
                "query": {"sig": QUERY, "max_tokens": 5},
                "body": {"api_key": BODY, "auth": {"pins": [PIN]}, "author": "Ann", "max_tokens": 5},
            },
        },
        "inputSchema": {"type": "object", "properties": {"token": {"type": "string"}}},
    }


def find_texts(me: RegisteredUser, path: str) -> list[str]:
    """Return all that the API shows of the agent's tools, and all that is stored."""
    organization = me.organization["id"]
    texts = [me.client.get(f"{path}{rest}").text for rest in ("/tools", "/versions", "")]
    texts += [me.client.get(f"{path}/versions/{number}").text for number in (1, 2)]
    texts.append(me.client.post(f"/v1/organizations/{organization}/export").text)
    return texts + [json.dumps(row.to_dynamodb_dict(), default=str) for row in Row.scan()]


def test_secrets_of_a_tool_are_shown_and_stored_nowhere_and_sent(
    me: RegisteredUser, path: str, api: FakeApi
) -> None:
    made = me.client.post(f"{path}/tools", build_tool(api.url))
    assert made.status == 201, made.text
    shown = made.json["configuration"]
    server = api.url.removeprefix("http://")
    assert shown["apiEndpoint"] == f"http://{MASK}@{server}/orders?api_key={MASK}&page=1"
    parameters = shown["parameters"]
    assert parameters["headers"] == {
        "x-auth-token": MASK,
        "accept": "text/plain",
        "authorization": "Bearer {token}",
    }
    assert parameters["query"] == {"sig": MASK, "max_tokens": 5}
    assert parameters["body"] == {"api_key": MASK, "auth": {"pins": [MASK]}, "author": "Ann", "max_tokens": 5}
    for text in [made.text, *find_texts(me, path)]:
        assert not any(secret in text for secret in SECRETS), text
    echo = json.dumps({"got": [f"{secret} {secret.upper()}" for secret in SECRETS]})
    api.responses = [(200, echo, {"content-type": "application/json"})]
    tested = me.client.post(f"{made.headers['Location']}/test", {"arguments": {"token": "t"}}).json
    assert tested["result"]["body"] == {"got": [f"{MASK} {MASK}"] * len(SECRETS)}
    sent = api.requests[-1]
    assert sent["headers"]["x-auth-token"] == HEADER
    assert sent["path"].startswith(f"/orders?api_key={QUERY}&page=1&sig={QUERY}")
    assert sent["headers"]["authorization"].startswith("Basic "), "as the endpoint says"
    assert json.loads(sent["body"])["auth"] == {"pins": [PIN]}


def test_a_mask_that_is_sent_back_keeps_the_secret(me: RegisteredUser, path: str, api: FakeApi) -> None:
    tool = me.client.post(f"{path}/tools", build_tool(api.url))
    at, shown = tool.headers["Location"], tool.json
    same = me.client.patch(at, {"configuration": shown["configuration"]}, headers={"If-Match": '"1"'})
    assert (same.status, same.json["configuration"]) == (200, shown["configuration"])
    assert same.headers["ETag"] == '"1"', "nothing was written"
    changed = shown["configuration"] | {
        "parameters": json.loads(json.dumps(shown["configuration"]["parameters"]))
    }
    changed["parameters"]["headers"]["accept"] = "application/json"
    changed["parameters"]["body"]["api_key"] = "another-key-1234"
    updated = me.client.patch(at, {"configuration": changed})
    assert updated.status == 200, updated.text
    me.client.post(f"{at}/test", {"arguments": {}})
    sent = api.requests[-1]
    assert (sent["headers"]["x-auth-token"], sent["headers"]["accept"]) == (HEADER, "application/json")
    assert json.loads(sent["body"])["api_key"] == "another-key-1234"
    copy = me.client.post(f"{path}/duplicate").json["id"]
    (copied,) = me.client.get(f"/v1/agents/{copy}/tools").json["items"]
    me.client.post(f"/v1/agents/{copy}/tools/{copied['id']}/test", {"arguments": {}})
    assert api.requests[-1]["headers"]["x-auth-token"] == HEADER


def test_secrets_do_not_follow_a_tool_to_another_server(me: RegisteredUser, path: str, api: FakeApi) -> None:
    tool = me.client.post(f"{path}/tools", build_tool(api.url))
    at, configuration = tool.headers["Location"], tool.json["configuration"]
    moved = configuration | {"apiEndpoint": "https://evil.example/orders"}
    refused = me.client.patch(at, {"configuration": moved})
    assert (refused.status, refused.json["code"]) == (422, "api_key_needed")
    unknown = json.loads(json.dumps(configuration))
    unknown["parameters"]["headers"]["x-other-key"] = MASK
    refused = me.client.patch(at, {"configuration": unknown})
    assert (refused.status, refused.json["errors"][0]["pointer"]) == (
        422,
        "/configuration/parameters/headers/x-other-key",
    )
    made = me.client.post(f"{path}/tools", {**build_tool(api.url), "toolName": "b", "configuration": unknown})
    assert made.status == 422


def test_a_copy_of_another_members_tool_has_no_secrets(me: RegisteredUser, path: str, api: FakeApi) -> None:
    me.client.post(f"{path}/tools", build_tool(api.url))
    member = register_member(me, "member")
    copy = member.client.post(f"{path}/duplicate").json["id"]
    (copied,) = member.client.get(f"/v1/agents/{copy}/tools").json["items"]
    before = len(api.requests)
    tested = member.client.post(f"/v1/agents/{copy}/tools/{copied['id']}/test", {"arguments": {}}).json
    assert "has lost the secret" in tested["error"] and len(api.requests) == before


@pytest.mark.parametrize("before", range(250, 312, 3))
@pytest.mark.parametrize("kind", ["plain", "json", "base64"])
def test_no_part_of_a_secret_is_left_in_an_error(
    api: FakeApi, call: Callable[..., Any], before: int, kind: str
) -> None:
    secret = 'top"secret\\value-of-a-tool'
    echo = {
        "plain": secret,
        "json": json.dumps(json.dumps({"x": secret})),
        "base64": base64.b64encode(f"user:{secret}".encode()).decode(),
    }[kind]
    api.responses = [(400, "-" * before + echo, {})]
    with pytest.raises(ToolError) as failed:
        call("/", parameters={"headers": {"x-auth-token": secret}})
    text = str(failed.value)
    assert "secret" not in text and "value" not in text and echo[-12:] not in text
    assert len(text) < http_tool.MAX_ERROR_CHARACTERS + 100


# Masks that are sent back


ACCOUNTS = [{"id": 1, "token": "canary-ONE-1"}, {"id": 2, "token": "canary-TWO-2"}, {"id": 3}]


def change(body: Any) -> dict[str, Any]:
    return {"accounts": body, "entry": {"name": "token", "value": MASK}, "plain": "x"}


@pytest.mark.parametrize(
    "body",
    [
        change([{"id": 2, "token": MASK}, {"id": 1, "token": MASK}, {"id": 3}]),
        change([{"id": 2, "token": MASK}]),
        change([{"id": 3}, {"id": 1, "token": MASK}, {"id": 2, "token": MASK}]),
        change([{"id": 7, "token": MASK}, {"id": 2, "token": MASK}, {"id": 3}]),
        change([*ACCOUNTS[:1], {"id": 2, "token": MASK}, {"id": 3}, {"id": 4}]),
        change(ACCOUNTS) | {"entry": {"name": "page", "value": MASK}},
        change(ACCOUNTS) | {"entry": {"name": "token", "other": MASK}},
        change(ACCOUNTS) | {"plain": MASK},
    ],
    ids=["moved", "removed", "shifted", "relabelled", "added", "label", "other field", "no secret there"],
)
def test_a_mask_brings_back_the_secret_only_where_it_stood(
    me: RegisteredUser, path: str, api: FakeApi, body: dict[str, Any]
) -> None:
    stored = {"accounts": ACCOUNTS, "entry": {"name": "token", "value": "canary-ENTRY"}, "plain": "x"}
    configuration = {"apiEndpoint": api.url, "parameters": {"method": "POST", "body": stored}}
    tool = me.client.post(
        f"{path}/tools", {"toolName": "t", "toolType": "http", "configuration": configuration}
    )
    at = tool.headers["Location"]
    requested = configuration | {"parameters": {"method": "POST", "body": body}}
    refused = me.client.patch(at, {"configuration": requested})
    assert refused.status == 422, refused.text
    assert refused.json["errors"][0]["pointer"].startswith("/configuration/parameters/body/")
    assert "Send the secret itself" in refused.json["detail"] and "canary" not in refused.text


def test_secrets_stay_where_only_plain_members_and_parameters_change(
    me: RegisteredUser, path: str, api: FakeApi
) -> None:
    body = change([ACCOUNTS[0], ACCOUNTS[1], {"id": 3}]) | {"entry": {"name": "token", "value": "canary-3"}}
    server = api.url.removeprefix("http://")
    configuration = {
        "apiEndpoint": f"http://ann:{USER}@{server}/bot12345678:AAHcanary_1234567/x?token={QUERY}&page=1",
        "parameters": {"method": "POST", "body": body, "headers": {"x-tenant": HEADER}},
    }
    tool = me.client.post(
        f"{path}/tools", {"toolName": "t", "toolType": "http", "configuration": configuration}
    )
    at, shown = tool.headers["Location"], tool.json["configuration"]
    assert shown["apiEndpoint"] == f"http://{MASK}@{server}/{MASK}/x?token={MASK}&page=1"
    shown["apiEndpoint"] = f"http://{server}/{MASK}/x?page=2&token={MASK}"
    shown["parameters"]["body"]["accounts"][2]["id"] = 4
    updated = me.client.patch(at, {"configuration": shown | {"timeout": 5}})
    assert updated.status == 200, updated.text
    me.client.post(f"{at}/test", {"arguments": {}})
    sent = api.requests[-1]
    assert sent["path"] == f"/bot12345678:AAHcanary_1234567/x?page=2&token={QUERY}"
    assert sent["headers"]["x-tenant"] == HEADER and "authorization" not in sent["headers"]
    assert json.loads(sent["body"])["accounts"] == [*ACCOUNTS[:2], {"id": 4}]


def test_what_was_secret_once_stays_secret() -> None:
    """Also when its name says so no longer."""
    stored, secrets = {"sortKey": MASK, "auth": {"user": MASK}}, {"/sortKey": "canary-1", "/auth/user": "a"}
    restored = secret_fields.restore(stored, stored, secrets)
    assert restored.value == {"sortKey": "canary-1", "auth": {"user": "a"}} and not restored.refused
    fields = secret_fields.Fields(secret=restored.pointers)
    assert secret_fields.take_out(restored.value, fields) == (stored, secrets)


def test_a_copy_without_secrets_can_be_changed_with_its_masks(
    me: RegisteredUser, path: str, api: FakeApi
) -> None:
    me.client.post(f"{path}/tools", build_tool(api.url))
    member = register_member(me, "member")
    copy = member.client.post(f"{path}/duplicate").json["id"]
    (copied,) = member.client.get(f"/v1/agents/{copy}/tools").json["items"]
    at = f"/v1/agents/{copy}/tools/{copied['id']}"
    changed = member.client.patch(at, {"configuration": copied["configuration"] | {"timeout": 5}})
    assert changed.status == 200, changed.text
    assert changed.json["configuration"] == copied["configuration"] | {"timeout": 5}


# Secrets elsewhere


@pytest.mark.parametrize(
    ("property_schema", "keyword"),
    [
        ({"token": {"type": "string", "default": "canary-1"}}, "default"),
        ({"password": {"const": "canary-1"}}, "const"),
        ({"login": {"type": "object", "properties": {"pin": {"enum": ["1234"]}}}}, "enum"),
        ({"page": {"type": "string", "examples": ["sk-canary-0123456789"]}}, "examples"),
    ],
)
def test_a_secret_in_the_schema_of_a_tool_is_refused(
    me: RegisteredUser, path: str, property_schema: dict[str, Any], keyword: str
) -> None:
    schema = {"type": "object", "properties": property_schema}
    tool = build_tool("http://127.0.0.1:1") | {"inputSchema": schema}
    refused = me.client.post(f"{path}/tools", tool)
    assert refused.status == 422 and refused.json["errors"][0]["pointer"].endswith(f"/{keyword}")
    schema = {"type": "object", "properties": {"page": {"type": "integer", "default": 1}}}
    assert me.client.post(f"{path}/tools", tool | {"inputSchema": schema}).status == 201


def test_a_secret_in_the_base_url_of_an_agent_is_refused(me: RegisteredUser) -> None:
    agent = {"name": "x", "provider": "openai_compatible", "model": "m"}
    for url in ("https://llm.example/v1?api_key=canary", "https://llm.example/v1;token=canary"):
        refused = me.client.post("/v1/agents", {**agent, "baseUrl": url})
        assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "/baseUrl")
    assert me.client.post("/v1/agents", {**agent, "baseUrl": "https://llm.example/v1"}).status == 201


def test_the_export_of_an_organization_has_no_secrets_of_workflows(me: RegisteredUser) -> None:
    parameters = {
        "url": "https://ann:canary-1@x.example/a;token=canary-2/b?api_key=canary-3",
        "headers": {"x-anything": "canary-4", "accept": "text/html"},
        "query": {"code": "canary-5", "sortKey": "name"},
    }
    workflow = {"name": "F", **definition([node("c", "http_request", **parameters)], "start > c")}
    assert me.client.post("/v1/workflows", workflow).status == 201
    text = me.client.post(f"/v1/organizations/{me.organization['id']}/export").text
    assert "canary" not in text and "text/html" in text and '"sortKey":"name"' in text


# What is secret


@pytest.mark.parametrize(
    "value",
    [
        {"h": [{"key": "x-token", "value": "canary"}]},
        {"h": [{"Name": "password", "Value": "canary"}]},
        {"h": [["x-token", "canary"]]},
        ["x-token", "canary-1"],
        {"headers": {"x-anything": "canary"}},
        {"extraHeaders": [{"name": "x-anything", "value": "canary"}]},
        {"payload": '{"deep": {"password": "canary"}}'},
        {"form": "grant_type=x&client_secret=canary"},
        {"text": "see https://x.example/?access_token=canary today"},
        {"x": "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----"},
        {"x": "ghp_canary0123456789abcdefghijklmnopqrstu"},
        {"x": "sk-canary-0123456789"},
        {"url": "https://ann:canary@x.example/"},
        {"url": "https://canary@x.example/"},
        {"url": "https://x.example/?q=sk-canary-0123456789"},
        {"url": "https://x.example/?code=canary-0123456789"},
        {"url": "https://x.example/a;token=canary/b"},
        {"url": "https://x.example/?a=1;token=canary"},
        {"url": "https://x.example/#access_token=canary"},
        {"url": "https://x.example/bot123456789:AAHcanary99999_abcdef/send"},
        {"url": "https://hooks.slack.com/services/T0AAAA/B0BBBB/canary123456"},
        {"url": "https://x.example/webhooks/canary1lower/x"},
        {"url": "https://x.example/?q=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.canary"},
    ],
)
def test_secrets_are_found_by_name_form_and_part_of_a_url(value: Any) -> None:
    masked, secrets = secret_fields.take_out(value)
    assert "canary" not in json.dumps(masked) and MASK in json.dumps(masked, ensure_ascii=False)
    assert secret_fields.put_back(masked, secrets) == value
    assert secret_fields.restore(masked, masked, secrets) == (value, frozenset(secrets), [])


@pytest.mark.parametrize(
    "value",
    [
        {"sortKey": "created_at", "primary_key": "customer_id", "max_tokens": 512, "tokenizer": "customer"},
        {"url": "https://x.example/v1/orders/2024-01-01/items?page=2&sortKey=name&code=DE#part"},
        {"url": "https://x.example/webhooks/listing/deliveries"},
        {"fields": ["password", "email"], "text": "The password is required."},
        {"headers": {"accept": "text/html", "Content-Type": "text/plain", "notion-version": "2022-06-28"}},
        {"authorization": "Bearer {token}", "token": "{{ $vars.token }}"},
        {"objects": [{"key": "reports/a.csv", "value": "x"}]},
    ],
)
def test_what_is_no_secret_stays(value: Any) -> None:
    assert secret_fields.take_out(value) == (value, {})


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        *(
            (name, True)
            for name in (
                *("X-Auth-Token", "api_key", "apiKey", "APIKey", "authorization", "Cookie", "client_secret"),
                *(
                    "pwd",
                    "sig",
                    "X-Signature",
                    "access_token",
                    "accessToken",
                    "passphrase",
                    "sid",
                    "password",
                ),
                *("x-session-id", "x-access", "dbPass", "userPass", "cardPin", "otp", "passwd", "signature"),
                *("jwt", "bearer", "signingKey", "accessKey", "key", "accesstoken", "DB_PASSWORD", "token2"),
                *("x-functions-key", "stripeKey", "securityCode", "clientSecretValue", "tokens"),
            )
        ),
        *(
            (name, False)
            for name in (
                *("author", "keyword", "keywords", "accept", "page", "passenger", "design", "sortKey"),
                *("primary_key", "objectKey", "keyId", "authorId", "authorName", "authority", "max_tokens"),
                *("tokenizer", "next_page_token", "secretary", "monkey", "tokenType", "secretName", "pinned"),
                *("passed", "compass", "idempotencyKey", "publicKey", "max_new_token", "signal", "access"),
            )
        ),
    ],
)
def test_names_tell_what_is_secret(name: str, is_secret: bool) -> None:
    assert secrecy.is_secret_name(name) is is_secret
