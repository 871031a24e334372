"""MCP servers that send too much, malformed or malicious data, and the parsing of names and events."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agents.fake_http_api import FakeApi
from tests.agents.fake_mcp_server import KEY
from tests.factories import RegisteredUser
from weconnect.agents.mcp import client, protocol, tool_names
from weconnect.settings import settings


def allow_host(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setitem(settings.__dict__, "outbound_allowed_hosts", frozenset({address[7:]}))


def tool(address: str, **parameters: Any) -> dict[str, Any]:
    return {
        "toolName": "store",
        "toolType": "mcp",
        "configuration": {"apiEndpoint": f"{address}/mcp", "apiKey": KEY, "parameters": parameters},
    }


def call_tool(me: RegisteredUser, location: str, name: str, **arguments: Any) -> dict[str, Any]:
    response = me.client.post(f"{location}/test", {"tool": name, "arguments": arguments})
    assert response.status == 200, response.text
    return dict(response.json)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    running = FakeApi()
    allow_host(monkeypatch, running.url)
    yield running
    running.server.shutdown()
    running.server.server_close()


JSON = {"content-type": "application/json"}
DISCOVERED = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "resultType": "complete"}
ONE = {"name": "a", "inputSchema": {"type": "object"}}


def rpc_response(result: Any, **headers: str) -> tuple[int, str, dict[str, str]]:
    return 200, json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}), JSON | headers


def listing(*tools: Any, **more: Any) -> list[Any]:
    return [rpc_response(DISCOVERED), rpc_response({"tools": list(tools), **more})]


def exponential_schema() -> dict[str, Any]:
    definitions: dict[str, Any] = {
        f"d{number}": {"anyOf": [{"$ref": f"#/$defs/d{number + 1}"}] * 2} for number in range(60)
    }
    return {"type": "object", "$defs": {**definitions, "d60": {"not": {}}}, "$ref": "#/$defs/d0"}


@pytest.mark.parametrize(
    ("responses", "detail"),
    [
        ([(200, "x" * 3_000_000, JSON)], "exceeds"),
        ([(200, "", {"content-length": "99999999", **JSON})], "could not be reached"),
        ([(302, "", {"location": "http://169.254.169.254/latest/"})], "redirects, which is not followed"),
        ([(307, "", {"location": "http://10.0.0.1/mcp"})], "redirects, which is not followed"),
        ([(200, "junk", JSON)], "not in JSON"),
        ([(200, "[" * 100_000, JSON)], "not in JSON"),
        ([(200, "[]", JSON)], "returned nothing for initialize"),
        ([(200, '{"result": 7}', JSON)], "returned no result"),
        ([(200, '{"error": {"message": ["\\u0000"]}}', JSON)], "refused initialize"),
        ([(200, "data: junk\n\n", {"content-type": "text/event-stream"})], "not JSON"),
        ([(200, ": nothing\n\n", {"content-type": "text/event-stream"})], "ended its stream"),
        ([(500, "", {})], "responded with status 500"),
        ([None], "could not be reached"),
        ([rpc_response({"protocolVersion": "1999-01-01"})], "unsupported protocol revision"),
        (listing(7), "returned no list of tools"),
        (listing(ONE, nextCursor="again"), "more than 20 pages"),
        (listing(*({**ONE, "name": f"t{n}"} for n in range(65))), "65 tools"),
        (
            listing({**ONE, "description": "x" * 2_000, "outputSchema": {"title": "x" * 59_000}}),
            "60000 bytes",
        ),
        (listing({**ONE, "name": "x" * 129}), "invalid name"),
        (listing({**ONE, "name": "a\nb"}), "invalid name"),
        (listing({"name": "a"}), "does not take an object"),
        (listing({"name": "a", "inputSchema": {"type": "array"}}), "does not take an object"),
        (listing({"name": "a", "inputSchema": {"type": "nonsense"}}), "does not take an object"),
        (
            listing({"name": "a", "inputSchema": {"properties": {"b": {"type": 7}}}}),
            "inputSchema/properties/b/type",
        ),
        (listing({"name": "a", "inputSchema": {"$ref": "file:///etc/passwd"}}), "may only refer within"),
        (listing({**ONE, "outputSchema": {"allOf": [{}] * 4_000}}), "more than 3000 subschemas"),
        (
            listing({**ONE, "inputSchema": json.loads('{"not":' * 200 + "{}" + "}" * 200)}),
            "nested too deeply",
        ),
    ],
)
def test_a_hostile_server_is_rejected(
    me: RegisteredUser, path: str, api: FakeApi, responses: list[Any], detail: str
) -> None:
    api.responses = responses
    refused = me.client.post(f"{path}/tools", tool(api.url))
    assert (refused.status, refused.json["code"]) == (422, "mcp_server_unusable"), refused.text
    assert detail in refused.json["detail"]
    assert me.client.get(f"{path}/tools").json["items"] == []


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9", "http://169.254.169.254", "http://[::1]:80", "http://10.0.0.1"]
)
def test_private_addresses_are_refused(me: RegisteredUser, path: str, address: str) -> None:
    refused = me.client.post(f"{path}/tools", tool(address))
    assert refused.status == 422 and "no address on the public internet" in refused.json["detail"]


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (
            rpc_response({"content": [{"type": "text", "text": "no such item"}], "isError": True}),
            "no such item",
        ),
        (rpc_response({"content": 7, "isError": True}), "a failed"),
        (rpc_response({"resultType": "input_required"}), "asks for more"),
        ((200, '{"id": 1, "error": {"code": 1, "message": "gone"}}', JSON), "refused tools/call: gone"),
        ((401, "", {}), "responded with status 401"),
        ((200, "x" * 3_000_000, JSON), "exceeds"),
    ],
)
def test_a_failed_call_returns_its_error(
    me: RegisteredUser, path: str, api: FakeApi, response: Any, error: str
) -> None:
    api.responses = [*listing(ONE), response]
    location = me.client.post(f"{path}/tools", tool(api.url)).headers["Location"]
    assert error in call_tool(me, location, "a")["error"]


def event(value: Any) -> str:
    return f"event: message\r\ndata: {json.dumps(value)}\r\n\r\n"


@pytest.mark.parametrize(
    ("response", "result"),
    [
        (rpc_response({"content": [], "structuredContent": [1]}), [1]),
        (
            rpc_response(
                {"content": [{"type": "text", "text": "x"}, {"type": "image", "mimeType": "image/png"}]}
            ),
            "x\n(image image/png)",
        ),
        (rpc_response({"content": [{"type": "resource", "resource": {"text": "inside"}}]}), "inside"),
        (rpc_response({"content": [{"type": "text", "text": "é" * 20_000}]}), "é" * 8_192),
        (rpc_response({"structuredContent": {"a": "x" * 70_000}}), '{"a": "' + "x" * 16_377),
        (rpc_response({}), ""),
        (
            (
                200,
                ":ping\n\n"
                + event({"jsonrpc": "2.0", "method": "notifications/progress"})
                + event({"jsonrpc": "2.0", "id": 1, "method": "sampling/createMessage"})
                + event({"jsonrpc": "2.0", "id": 1, "result": {"structuredContent": 7}})
                + "data: junk\n\n",
                {"content-type": "text/event-stream; charset=utf-8"},
            ),
            7,
        ),
    ],
)
def test_the_result_of_a_call_is_unwrapped(
    me: RegisteredUser, path: str, api: FakeApi, response: Any, result: Any
) -> None:
    api.responses = [*listing(ONE), response]
    location = me.client.post(f"{path}/tools", tool(api.url)).headers["Location"]
    assert call_tool(me, location, "a")["result"] == result


def test_the_evaluation_of_an_exponential_schema_ends(me: RegisteredUser, path: str, api: FakeApi) -> None:
    api.responses = [*listing({"name": "a", "inputSchema": exponential_schema()}), rpc_response({})]
    location = me.client.post(f"{path}/tools", tool(api.url)).headers["Location"]
    assert "takes too long to check" in call_tool(me, location, "a")["error"]
    assert len(api.requests) == 2, "nothing was called"


def test_arguments_are_repeated_in_headers_that_the_server_wants(
    me: RegisteredUser, path: str, api: FakeApi
) -> None:
    properties = {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "n": {"type": "integer", "x-mcp-header": "N"},
    }
    api.responses = [
        *listing({"name": "a", "inputSchema": {"type": "object", "properties": properties}}),
        rpc_response({}),
    ]
    location = me.client.post(
        f"{path}/tools", tool(api.url, headers={"X-Own": "1"}, apiKeyHeader="X-Key")
    ).headers["Location"]
    call_tool(me, location, "a", region="Zürich", n=3)
    sent = api.requests[-1]["headers"]
    assert protocol.decode_header(sent["mcp-param-region"]) == "Zürich" and sent["mcp-param-n"] == "3"
    assert (sent["x-own"], sent["x-key"], sent["mcp-name"], sent["mcp-method"]) == (
        "1",
        KEY,
        "a",
        "tools/call",
    )
    assert json.loads(api.requests[-1]["body"])["params"]["_meta"]["weconnect/idempotencyKey"].startswith(
        "test:"
    )


# Properties


@given(
    prefix=st.from_regex(r"[a-zA-Z][a-zA-Z0-9_-]{0,99}", fullmatch=True),
    names=st.lists(st.text(min_size=1, max_size=128), unique=True, max_size=20),
)
def test_prefixed_names_are_valid_and_unique(prefix: str, names: list[str]) -> None:
    created = tool_names.prefix_names(prefix, names)
    assert list(created) == names and len(set(created.values())) == len(names)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in created.values())
    assert tool_names.prefix_names(prefix, names[::-1]) == created


@given(
    data=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n")), max_size=5),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    ending=st.sampled_from(["\n", "\r\n"]),
)
def test_events_are_parsed_from_chunks_of_any_size(data: list[str], sizes: list[int], ending: str) -> None:
    stream = "".join(f"id: 1{ending}data: {text}{ending}{ending}" for text in data).encode()
    pieces, position, turn = [], 0, 0
    while position < len(stream):
        pieces.append(stream[position : position + sizes[turn % len(sizes)]])
        position, turn = position + sizes[turn % len(sizes)], turn + 1
    assert list(client._events(iter(pieces))) == [text.encode() for text in data]
