"""Tools of remote MCP servers: of a real one in both of the protocol's ways, and of hostile ones."""

import json
import re
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.agents.apis import Api
from tests.agents.mcp_servers import KEY, Served, warehouse
from tests.agents.runs import Starter
from tests.factories import registered
from weconnect import durable
from weconnect.agents.mcp import client, protocol, tool_names
from weconnect.settings import settings


@pytest.fixture
def me(aws: None):
    return registered()


@pytest.fixture
def path(me) -> str:
    return me.client.post("/v1/agents", {"name": "Helper"}).headers["Location"]


def allow(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setitem(settings.__dict__, "outbound_allowed_hosts", frozenset({address[7:]}))


WAYS = [
    {"handshake": False},
    {"handshake": False, "json_response": True},
    {"handshake": True},
    {"handshake": True, "json_response": True},
    {"handshake": True, "stateless_http": True},
]


@pytest.fixture(
    params=WAYS, ids=lambda way: "-".join(name for name, value in way.items() if value) or "stateless"
)
def real(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with warehouse(**request.param) as served:
        allow(monkeypatch, served.address)
        yield served


@pytest.fixture
def modern(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with warehouse(handshake=False) as served:
        allow(monkeypatch, served.address)
        yield served


def tool(address: str, **parameters: Any) -> dict[str, Any]:
    return {
        "toolName": "store",
        "toolType": "mcp",
        "configuration": {"apiEndpoint": f"{address}/mcp", "apiKey": KEY, "parameters": parameters},
    }


def attempt(me, place: str, name: str, **arguments: Any) -> dict[str, Any]:
    answer = me.client.post(f"{place}/test", {"tool": name, "arguments": arguments})
    assert answer.status == 200, answer.text
    return answer.json


def test_a_real_server(me, path: str, real: Served) -> None:
    made = me.client.post(f"{path}/tools", tool(real.address))
    assert made.status == 201, made.text
    offered = made.json["remote"]["tools"]
    assert [item["name"] for item in offered] == ["stock", "shelf.of", "broken"]
    assert offered[0]["inputSchema"]["required"] == ["item"]
    assert made.json["remote"]["protocolVersion"] in protocol.SPOKEN
    place = made.headers["Location"]
    assert attempt(me, place, "stock", item="nails", least=3)["result"] == {"item": "nails", "count": 10}
    assert attempt(me, place, "shelf.of", item="nails")["result"] == "nails is on shelf 4; the key was ••••"
    assert "burnt down" in attempt(me, place, "broken")["error"]
    assert "'item' is a required property" in attempt(me, place, "stock")["error"]
    keys = real.named("idempotency-key")
    assert len(set(keys)) == 3 and all(key.startswith("test:") for key in keys)
    sessions = set(real.named("mcp-session-id"))
    assert real.named("method").count("DELETE") == len(sessions), "each session is ended"


def test_an_agent_uses_it(me, path: str, modern: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    starter = Starter()
    monkeypatch.setattr(durable, "lambda_client", lambda: starter)
    made = me.client.post(f"{path}/tools", tool(modern.address, tools=["stock"]))
    started = me.client.post(f"{path}/executions", {"input": "store__stock item=nails"})
    starter.run_pending()
    run = me.client.get(started.headers["Location"]).json
    assert run["status"] == "completed" and "count 7" in run["output"], run
    step = next(step for step in run["steps"] if step["type"] == "tool")
    assert (step["name"], step["result"]) == ("store__stock", {"item": "nails", "count": 7})
    assert modern.named("idempotency-key") == [f"{run['id']}:tool-1-1"]
    assert me.client.get(made.headers["Location"]).json["usageCount"] == 1
    version = me.client.get(f"{path}/versions/{run['agentVersion']}").json["tools"]
    assert [(tool["name"], tool["remoteName"]) for tool in version] == [("store__stock", "stock")]


def test_its_key_never_leaves(me, path: str, modern: Served, capsys: pytest.CaptureFixture) -> None:
    made = me.client.post(f"{path}/tools", tool(modern.address))
    assert KEY not in made.text and made.json["hasApiKey"]
    assert KEY not in str(boto3.client("dynamodb").scan(TableName="weconnect")["Items"])
    assert KEY not in capsys.readouterr().out


def test_its_owner_chooses_among_the_tools(me, path: str, modern: Served) -> None:
    made = me.client.post(f"{path}/tools", tool(modern.address, tools=["shelf.of"]))
    assert [item["name"] for item in made.json["remote"]["tools"]] == ["shelf.of"]
    place = made.headers["Location"]
    assert "shelf 4" in me.client.post(f"{place}/test", {"arguments": {"item": "nails"}}).json["result"]
    refused = me.client.post(f"{place}/test", {"arguments": {}, "tool": "stock"})
    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "/tool")
    changed = {"apiEndpoint": f"{modern.address}/mcp", "parameters": {"tools": ["stock", "broken"]}}
    after = me.client.patch(place, {"configuration": changed})
    assert [item["name"] for item in after.json["remote"]["tools"]] == ["stock", "broken"]
    assert me.client.post(f"{place}/test", {"arguments": {}}).json["errors"][0]["pointer"] == "/tool"
    missing = me.client.patch(place, {"configuration": changed | {"parameters": {"tools": ["none"]}}})
    assert (missing.status, missing.json["code"]) == (422, "mcp_server_unusable")


def test_a_server_that_is_gone_can_be_put_to_sleep_and_copied(
    me, path: str, modern: Served, monkeypatch
) -> None:
    place = me.client.post(f"{path}/tools", tool(modern.address)).headers["Location"]
    allow(monkeypatch, "http://nowhere:1")
    assert me.client.patch(place, {"displayName": "Store"}).status == 422
    assert me.client.patch(place, {"displayName": "Store", "isActive": False}).json["displayName"] == "Store"
    copied = me.client.post(f"{path}/duplicate")
    listed = me.client.get(f"/v1/agents/{copied.json['id']}/tools").json["items"]
    assert [item["name"] for item in listed[0]["remote"]["tools"]] == ["stock", "shelf.of", "broken"]


def test_no_two_functions_have_one_name(me, path: str, modern: Served) -> None:
    own = {
        "toolName": "store__stock",
        "toolType": "http",
        "configuration": {"apiEndpoint": "https://example.com"},
    }
    first = me.client.post(f"{path}/tools", own)
    refused = me.client.post(f"{path}/tools", tool(modern.address))
    assert (refused.status, refused.json["code"]) == (409, "tool_name_taken")
    made = me.client.post(f"{path}/tools", tool(modern.address, tools=["broken"]))
    assert made.status == 201
    wider = {"configuration": {"apiEndpoint": f"{modern.address}/mcp", "parameters": {"tools": ["stock"]}}}
    assert me.client.patch(made.headers["Location"], wider).json["code"] == "tool_name_taken"
    assert me.client.delete(first.headers["Location"]).status == 204
    assert me.client.patch(made.headers["Location"], wider).status == 200
    assert me.client.post(f"{path}/tools", own).json["code"] == "tool_name_taken"


def test_a_wrong_key(me, path: str, modern: Served) -> None:
    wrong = tool(modern.address)
    wrong["configuration"]["apiKey"] = "another-key"
    refused = me.client.post(f"{path}/tools", wrong)
    assert (refused.status, refused.json["detail"]) == (422, "127.0.0.1 answered 401")
    assert refused.json["errors"][0]["pointer"] == "/configuration/apiEndpoint"


def test_results_are_checked(me, path: str, modern: Served) -> None:
    schema = {"type": "object", "properties": {"count": {"maximum": 8}}}
    made = me.client.post(f"{path}/tools", {**tool(modern.address, tools=["stock"]), "outputSchema": schema})
    place = made.headers["Location"]
    assert attempt(me, place, "stock", item="nails", least=1)["error"] is None
    failed = attempt(me, place, "stock", item="nails", least=2)
    assert failed["error"] == "The result does not fit: /count: 9 is greater than the maximum of 8"


# Hostile servers


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    running = Api()
    allow(monkeypatch, running.url)
    yield running
    running.server.shutdown()
    running.server.server_close()


JSON = {"content-type": "application/json"}
DISCOVERED = {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}, "resultType": "complete"}
ONE = {"name": "a", "inputSchema": {"type": "object"}}


def said(result: Any, **headers: str) -> tuple[int, str, dict[str, str]]:
    return 200, json.dumps({"jsonrpc": "2.0", "id": 1, "result": result}), JSON | headers


def listing(*tools: Any, **more: Any) -> list[Any]:
    return [said(DISCOVERED), said({"tools": list(tools), **more})]


def doubling() -> dict[str, Any]:
    definitions: dict[str, Any] = {
        f"d{number}": {"anyOf": [{"$ref": f"#/$defs/d{number + 1}"}] * 2} for number in range(60)
    }
    return {"type": "object", "$defs": {**definitions, "d60": {"not": {}}}, "$ref": "#/$defs/d0"}


@pytest.mark.parametrize(
    ("answers", "detail"),
    [
        ([(200, "x" * 3_000_000, JSON)], "more than"),
        ([(200, "", {"content-length": "99999999", **JSON})], "could not be reached"),
        ([(302, "", {"location": "http://169.254.169.254/latest/"})], "redirects, which is not followed"),
        ([(307, "", {"location": "http://10.0.0.1/mcp"})], "redirects, which is not followed"),
        ([(200, "junk", JSON)], "not in JSON"),
        ([(200, "[" * 100_000, JSON)], "not in JSON"),
        ([(200, "[]", JSON)], "answered nothing to initialize"),
        ([(200, '{"result": 7}', JSON)], "with no result"),
        ([(200, '{"error": {"message": ["\\u0000"]}}', JSON)], "refused initialize"),
        ([(200, "data: junk\n\n", {"content-type": "text/event-stream"})], "not JSON"),
        ([(200, ": nothing\n\n", {"content-type": "text/event-stream"})], "ended its stream"),
        ([(500, "", {})], "answered 500"),
        ([None], "could not be reached"),
        ([said({"protocolVersion": "1999-01-01"})], "speaks a revision"),
        (listing(7), "no list of tools"),
        (listing(ONE, nextCursor="again"), "more than 20 pages"),
        (listing(*({**ONE, "name": f"t{n}"} for n in range(65))), "65 tools"),
        (
            listing({**ONE, "description": "x" * 2_000, "outputSchema": {"title": "x" * 59_000}}),
            "60000 bytes",
        ),
        (listing({**ONE, "name": "x" * 129}), "which is no name"),
        (listing({**ONE, "name": "a\nb"}), "which is no name"),
        (listing({"name": "a"}), "takes no object"),
        (listing({"name": "a", "inputSchema": {"type": "array"}}), "takes no object"),
        (listing({"name": "a", "inputSchema": {"type": "nonsense"}}), "takes no object"),
        (
            listing({"name": "a", "inputSchema": {"properties": {"b": {"type": 7}}}}),
            "inputSchema/properties/b/type",
        ),
        (listing({"name": "a", "inputSchema": {"$ref": "file:///etc/passwd"}}), "may only refer within"),
        (listing({**ONE, "outputSchema": {"allOf": [{}] * 4_000}}), "more than 3000 parts"),
        (
            listing({**ONE, "inputSchema": json.loads('{"not":' * 200 + "{}" + "}" * 200)}),
            "nested too deeply",
        ),
    ],
)
def test_a_hostile_server_is_not_taken(me, path: str, api: Api, answers: list[Any], detail: str) -> None:
    api.answers = answers
    refused = me.client.post(f"{path}/tools", tool(api.url))
    assert (refused.status, refused.json["code"]) == (422, "mcp_server_unusable"), refused.text
    assert detail in refused.json["detail"]
    assert me.client.get(f"{path}/tools").json["items"] == []


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9", "http://169.254.169.254", "http://[::1]:80", "http://10.0.0.1"]
)
def test_addresses_inside_are_refused(me, path: str, address: str) -> None:
    refused = me.client.post(f"{path}/tools", tool(address))
    assert refused.status == 422 and "not on the public internet" in refused.json["detail"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (said({"content": [{"type": "text", "text": "no such item"}], "isError": True}), "no such item"),
        (said({"content": 7, "isError": True}), "a failed"),
        (said({"resultType": "input_required"}), "asks for more"),
        ((200, '{"id": 1, "error": {"code": 1, "message": "gone"}}', JSON), "refused tools/call: gone"),
        ((401, "", {}), "answered 401"),
        ((200, "x" * 3_000_000, JSON), "more than"),
    ],
)
def test_a_call_that_fails(me, path: str, api: Api, answer: Any, error: str) -> None:
    api.answers = [*listing(ONE), answer]
    place = me.client.post(f"{path}/tools", tool(api.url)).headers["Location"]
    assert error in attempt(me, place, "a")["error"]


def event(value: Any) -> str:
    return f"event: message\r\ndata: {json.dumps(value)}\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (said({"content": [], "structuredContent": [1]}), [1]),
        (
            said({"content": [{"type": "text", "text": "x"}, {"type": "image", "mimeType": "image/png"}]}),
            "x\n(image image/png)",
        ),
        (said({"content": [{"type": "resource", "resource": {"text": "inside"}}]}), "inside"),
        (said({"content": [{"type": "text", "text": "é" * 20_000}]}), "é" * 8_192),
        (said({"structuredContent": {"a": "x" * 70_000}}), '{"a": "' + "x" * 16_377),
        (said({}), ""),
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
def test_what_a_call_may_answer(me, path: str, api: Api, answer: Any, result: Any) -> None:
    api.answers = [*listing(ONE), answer]
    place = me.client.post(f"{path}/tools", tool(api.url)).headers["Location"]
    assert attempt(me, place, "a")["result"] == result


def test_schemas_that_blow_up_end(me, path: str, api: Api) -> None:
    api.answers = [*listing({"name": "a", "inputSchema": doubling()}), said({})]
    place = me.client.post(f"{path}/tools", tool(api.url)).headers["Location"]
    assert "takes too long to check" in attempt(me, place, "a")["error"]
    assert len(api.seen) == 2, "nothing was called"


def test_a_server_may_want_arguments_in_headers(me, path: str, api: Api) -> None:
    properties = {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "n": {"type": "integer", "x-mcp-header": "N"},
    }
    api.answers = [
        *listing({"name": "a", "inputSchema": {"type": "object", "properties": properties}}),
        said({}),
    ]
    place = me.client.post(
        f"{path}/tools", tool(api.url, headers={"X-Own": "1"}, apiKeyHeader="X-Key")
    ).headers["Location"]
    attempt(me, place, "a", region="Zürich", n=3)
    sent = api.seen[-1]["headers"]
    assert protocol.unwrapped(sent["mcp-param-region"]) == "Zürich" and sent["mcp-param-n"] == "3"
    assert (sent["x-own"], sent["x-key"], sent["mcp-name"], sent["mcp-method"]) == (
        "1",
        KEY,
        "a",
        "tools/call",
    )
    assert json.loads(api.seen[-1]["body"])["params"]["_meta"]["weconnect/idempotencyKey"].startswith("test:")


# Properties


@given(
    prefix=st.from_regex(r"[a-zA-Z][a-zA-Z0-9_-]{0,99}", fullmatch=True),
    found=st.lists(st.text(min_size=1, max_size=128), unique=True, max_size=20),
)
def test_each_remote_tool_has_a_name_of_its_own(prefix: str, found: list[str]) -> None:
    made = tool_names.prefixed(prefix, found)
    assert list(made) == found and len(set(made.values())) == len(found)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name in made.values())
    assert tool_names.prefixed(prefix, found[::-1]) == made


@given(
    data=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n")), max_size=5),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    ending=st.sampled_from(["\n", "\r\n"]),
)
def test_events_survive_any_cut(data: list[str], sizes: list[int], ending: str) -> None:
    stream = "".join(f"id: 1{ending}data: {text}{ending}{ending}" for text in data).encode()
    pieces, position, turn = [], 0, 0
    while position < len(stream):
        pieces.append(stream[position : position + sizes[turn % len(sizes)]])
        position, turn = position + sizes[turn % len(sizes)], turn + 1
    assert list(client._events(iter(pieces))) == [text.encode() for text in data]
