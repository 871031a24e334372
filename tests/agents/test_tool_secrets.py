"""The secrets in a tool's configuration: stored encrypted, shown to nobody, sent, and hidden in what comes back."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.agents.fake_http_api import FakeApi
from tests.factories import RegisteredUser
from tests.organizations.organization_helpers import register_member
from weconnect.agents.tools import http_tool
from weconnect.agents.tools.errors import ToolError
from weconnect.db.table import Row
from weconnect.security import secret_fields

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


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        *(
            (name, True)
            for name in ("X-Auth-Token", "api_key", "apiKey", "authorization", "Cookie", "client_secret")
        ),
        *(
            (name, True)
            for name in ("pwd", "sig", "X-Signature", "access_token", "passphrase", "sid", "password")
        ),
        *(
            (name, False)
            for name in ("author", "keyword", "keywords", "accept", "page", "passenger", "design")
        ),
    ],
)
def test_names_tell_what_is_secret(name: str, is_secret: bool) -> None:
    assert secret_fields.is_secret_name(name) is is_secret
