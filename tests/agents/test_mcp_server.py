"""The agents as tools of the Model Context Protocol: by hand, and by the protocol's own client library."""

import asyncio
import json
import re
import string
from typing import Any
from uuid import UUID

import httpx2
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tries
from hypothesis import strategies as st
from mcp import Client as McpClient
from mcp.client.streamable_http import streamable_http_client
from mcp_types import jsonrpc_message_adapter

from tests.agents.mcp_host import served
from tests.agents.runs import Starter
from tests.factories import registered
from weconnect import durable
from weconnect.agents.mcp import offered_tools, protocol, server, tool_names

HANDSHAKE = "2025-11-25"
STATELESS = "2026-07-28"


@pytest.fixture
def starter(monkeypatch: pytest.MonkeyPatch) -> Starter:
    starter = Starter()
    monkeypatch.setattr(durable, "lambda_client", lambda: starter)
    return starter


@pytest.fixture
def me(aws: None, starter: Starter):
    return registered()


@pytest.fixture
def at_once(starter: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are over when they were started."""
    invoke = starter.invoke

    def run(**request: Any) -> dict[str, Any]:
        invoke(**request)
        starter.run_pending()
        return {}

    monkeypatch.setattr(starter, "invoke", run)


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a run."""
    monkeypatch.setattr(server, "WAIT_SECONDS", 0)


def agent(me, name: str = "Helper", **more: Any) -> str:
    made = me.client.post("/v1/agents", {"name": name, "description": "Calculates", **more})
    assert made.status == 201, made.text
    tool = me.client.post(f"{made.headers['Location']}/tools", {"toolName": "calculator"})
    assert tool.status == 201
    return tool_names.with_id(name, offered_tools.AGENT, UUID(made.json["id"]))


def say(client, method: str, params: Any = None, *, version: str | None = HANDSHAKE, **more: Any):
    """One request of a handshake revision."""
    message = {
        "jsonrpc": "2.0",
        "id": 7,
        "method": method,
        **({} if params is None else {"params": params}),
        **more,
    }
    return client.post("/v1/mcp", message, headers={"MCP-Protocol-Version": version} if version else {})


def ask(client, name: str, **arguments: Any) -> dict[str, Any]:
    answer = say(client, "tools/call", {"name": name, "arguments": arguments})
    assert answer.status == 200, answer.text
    return answer.json["result"]


def stateless(client, method: str, params: dict[str, Any] | None = None, **headers: str):
    """One request of the stateless revision, as it should be unless `headers` say otherwise."""
    meta = {protocol.VERSION_KEY: STATELESS, protocol.CLIENT_CAPABILITIES_KEY: {}}
    params = {"_meta": meta, **(params or {})}
    sent = {"mcp-protocol-version": STATELESS, "mcp-method": method}
    if "name" in params:
        sent["mcp-name"] = protocol.wrapped(params["name"])
    message = {"jsonrpc": "2.0", "id": "a", "method": method, "params": params}
    return client.post("/v1/mcp", message, headers=sent | headers)


# The protocol's own client


@pytest.mark.parametrize("mode", ["auto", "legacy", STATELESS])
def test_the_protocols_own_client(me, at_once, mode: str) -> None:
    shaped, name = agent(me, "Shaped", outputSchema=SHAPE), agent(me, "Sums & co")
    key = me.client.post(
        "/v1/api-keys", {"name": "mcp", "scopes": ["agents:execute"], "permissions": {"canExecute": True}}
    )
    headers = {"X-API-Key": key.json["key"]}

    async def talk(address: str) -> tuple[Any, ...]:
        async with httpx2.AsyncClient(headers=headers, trust_env=False) as http:
            transport = streamable_http_client(f"{address}/v1/mcp", http_client=http)
            async with McpClient(transport, mode=mode) as client:
                listed = await client.list_tools()
                result = await client.call_tool(name, {"input": "what is 17 * 23?"})
                wrong = await client.call_tool(name, {"text": "what is 17 * 23?"})
                formed = await client.call_tool(shaped, {"input": "what is 6 * 7?"})
                assert formed.structured_content == {"answer": "6 * 7 = 42", "from": "us"}
                return client.protocol_version, listed, result, wrong

    with served() as address:
        version, listed, result, wrong = asyncio.run(talk(address))
    assert version == (HANDSHAKE if mode == "legacy" else STATELESS)
    assert [tool.name for tool in listed.tools] == ["get_agent_run", name, shaped]
    assert listed.tools[1].title == "Sums & co" and listed.tools[1].input_schema["required"] == ["input"]
    assert (result.content[0].text, result.is_error) == ("17 * 23 = 391", False)
    assert wrong.is_error and "/input" in wrong.content[0].text


# By hand


def test_a_handshake(me) -> None:
    for asked, agreed in [("2025-06-18", "2025-06-18"), ("1999-01-01", HANDSHAKE), (STATELESS, HANDSHAKE)]:
        params = {"protocolVersion": asked, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
        answer = say(me.client, "initialize", params, version=None)
        assert answer.status == 200 and answer.json["id"] == 7
        assert answer.json["result"]["protocolVersion"] == agreed
        assert answer.json["result"]["capabilities"] == {"tools": {}}
        assert "Mcp-Session-Id" not in answer.headers
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    accepted = me.client.post("/v1/mcp", ready)
    assert (accepted.status, accepted.text) == (202, "")
    assert say(me.client, "ping").json == {"jsonrpc": "2.0", "id": 7, "result": {}}
    assert say(me.client, "initialize", version=None).json["error"]["code"] == protocol.INVALID_PARAMS


def test_there_is_no_stream(me) -> None:
    answer = me.client.get("/v1/mcp")
    assert (answer.status, answer.headers["Allow"], answer.json["code"]) == (
        405,
        "POST",
        "method_not_allowed",
    )


def test_only_active_agents_of_ones_own_are_tools(me, at_once) -> None:
    mine, asleep = agent(me), agent(me, "Asleep", isActive=False)
    stranger = registered()
    theirs = agent(stranger)
    listed = say(me.client, "tools/list").json["result"]["tools"]
    assert [tool["name"] for tool in listed] == ["get_agent_run", mine]
    assert "not active" in ask(me.client, asleep, input="x")["content"][0]["text"]
    for name in (
        theirs,
        "Helper",
        "nothing",
        mine[:-1],
        tool_names.with_id("x", "w", tool_names.id_in(mine)[1]),
    ):
        answer = say(me.client, "tools/call", {"name": name, "arguments": {"input": "x"}})
        assert answer.json["error"]["code"] == protocol.INVALID_PARAMS, name


def test_a_renamed_agent_is_still_reached(me, at_once) -> None:
    name = agent(me)
    place = f"/v1/agents/{tool_names.id_in(name)[1]}"
    assert me.client.patch(place, {"name": "Ünlü Başka"}).status == 200
    assert say(me.client, "tools/list").json["result"]["tools"][1]["name"] == "Unlu_Baska" + name[6:]
    assert ask(me.client, name, input="what is 6 * 7?")["content"][0]["text"] == "6 * 7 = 42"


def test_tools_come_in_pages(me, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offered_tools, "PAGE", 2)
    made = [agent(me, f"Agent {number}") for number in range(5)]
    found, cursor, pages = [], None, 0
    while cursor or not pages:
        result = say(me.client, "tools/list", {"cursor": cursor} if cursor else None).json["result"]
        found += [tool["name"] for tool in result["tools"]]
        cursor, pages = result.get("nextCursor"), pages + 1
    assert found == ["get_agent_run", *made[::-1]] and pages == 3
    for wrong in ("x", 7, {}):
        assert (
            say(me.client, "tools/list", {"cursor": wrong}).json["error"]["code"] == protocol.INVALID_PARAMS
        )


def test_a_run_that_takes_longer_is_asked_for_again(me, starter: Starter, unhurried) -> None:
    result = ask(me.client, agent(me), input="what is 17 * 23?")
    ids = result["structuredContent"]
    assert (result["isError"], ids["status"]) == (False, "pending")
    assert ids["executionId"] in result["content"][0]["text"]
    asked = {name: ids[name] for name in ("agentId", "executionId")}
    assert ask(me.client, "get_agent_run", **asked)["structuredContent"] == ids
    starter.run_pending()
    done = ask(me.client, "get_agent_run", **asked)
    assert (done["content"][0]["text"], done["isError"]) == ("17 * 23 = 391", False)
    assert done["_meta"]["weconnect/executionId"] == ids["executionId"]
    for wrong in ({}, {**asked, "executionId": "x"}, {**asked, "more": 1}):
        assert "do not fit" in ask(me.client, "get_agent_run", **wrong)["content"][0]["text"]
    stranger = registered()
    assert ask(stranger.client, "get_agent_run", **asked)["_meta"]["weconnect/code"] == "execution_not_found"


def test_a_conversation(me, at_once) -> None:
    name = agent(me)
    assert ask(me.client, name, input="what is 6 * 7?", sessionId="s")["content"][0]["text"] == "6 * 7 = 42"
    assert ask(me.client, name, input="times 2", sessionId="s")["content"][0]["text"] == "42 * 2 = 84"


def test_a_failed_run_is_an_error(me, starter: Starter, unhurried) -> None:
    ids = ask(me.client, agent(me), input="x")["structuredContent"]
    path = f"/v1/agents/{ids['agentId']}/executions/{ids['executionId']}"
    assert me.client.post(f"{path}/cancel").status == 202
    result = ask(me.client, "get_agent_run", agentId=ids["agentId"], executionId=ids["executionId"])
    assert result["isError"] and result["_meta"]["weconnect/status"] == "cancelled"


def test_limits_hold_a_tools_call(me, at_once) -> None:
    name = agent(me)
    limit = me.client.put(f"/v1/execution-limits/{me.user['id']}/hourly", {"maxExecutions": 1})
    assert limit.status == 200
    assert ask(me.client, name, input="x")["isError"] is False
    refused = ask(me.client, name, input="x")
    assert refused["isError"] and refused["_meta"]["weconnect/code"] == "execution_limit_reached"


def test_the_id_of_a_request_is_no_idempotency_key(me, at_once) -> None:
    name = agent(me)
    runs = [ask(me.client, name, input="x")["_meta"]["weconnect/executionId"] for _ in range(2)]
    assert runs[0] != runs[1]
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    message["params"] = {"name": name, "arguments": {"input": "x"}}
    first, again = (me.client.post("/v1/mcp", message, headers={"Idempotency-Key": "once"}) for _ in range(2))
    assert first.text == again.text and again.headers["Idempotent-Replayed"] == "true"


def test_whoever_may_only_execute_sees_only_their_own_runs(me, starter: Starter, unhurried) -> None:
    name = agent(me)

    def key(**permissions: bool):
        scopes = ["agents:execute", "agents:read"]
        made = me.client.post("/v1/api-keys", {"name": "k", "scopes": scopes, "permissions": permissions})
        return type(me.client)(headers={"X-API-Key": made.json["key"]})

    assert say(key(canRead=True), "tools/list").json["code"] == "permission_missing"
    ids = ask(me.client, name, input="x")["structuredContent"]
    asked = {"agentId": ids["agentId"], "executionId": ids["executionId"]}
    assert ask(key(canExecute=True), "get_agent_run", **asked)["structuredContent"] == ids, "the same person"


SHAPE = {
    "type": "object",
    "properties": {"answer": {"type": "string"}, "from": {"const": "us"}},
    "required": ["answer", "from"],
}


def test_an_agent_with_a_form_of_its_own_answers_in_it(me, at_once) -> None:
    plain, shaped = agent(me), agent(me, "Shaped", outputSchema=SHAPE)
    listed = {tool["name"]: tool for tool in say(me.client, "tools/list").json["result"]["tools"]}
    assert listed[shaped]["outputSchema"] == SHAPE and "outputSchema" not in listed[plain]
    result = ask(me.client, shaped, input="what is 6 * 7?")
    assert result["structuredContent"] == {"answer": "6 * 7 = 42", "from": "us"}
    assert json.loads(result["content"][0]["text"]) == result["structuredContent"]


def test_a_run_that_is_not_over_is_no_answer_of_that_form(me, starter: Starter, unhurried) -> None:
    result = ask(me.client, agent(me, outputSchema=SHAPE), input="what is 6 * 7?")
    assert result["isError"] and "structuredContent" not in result
    asked = {name: result["_meta"][f"weconnect/{name}"] for name in ("agentId", "executionId")}
    starter.run_pending()
    assert ask(me.client, "get_agent_run", **asked)["structuredContent"]["answer"] == "6 * 7 = 42"


# The stateless revision


def test_a_stateless_request(me, at_once) -> None:
    name = agent(me)
    found = stateless(me.client, "server/discover")
    assert found.status == 200
    assert found.json["result"]["supportedVersions"][0] == STATELESS
    assert found.json["result"]["resultType"] == "complete"
    result = stateless(me.client, "tools/call", {"name": name, "arguments": {"input": "what is 6 * 7?"}})
    assert result.json["result"]["content"] == [{"type": "text", "text": "6 * 7 = 42"}]
    assert result.json["result"]["_meta"][protocol.SERVER_KEY]["name"] == "weconnect"


@pytest.mark.parametrize(
    ("method", "params", "headers", "status", "code"),
    [
        ("ping", {}, {}, 404, protocol.METHOD_NOT_FOUND),
        ("initialize", {}, {}, 404, protocol.METHOD_NOT_FOUND),
        ("tools/list", {"_meta": {}}, {}, 400, protocol.INVALID_PARAMS),
        ("tools/list", {"_meta": 7}, {}, 400, protocol.INVALID_PARAMS),
        ("tools/list", {}, {"mcp-method": "tools/call"}, 400, protocol.HEADER_MISMATCH),
        ("tools/list", {}, {"mcp-protocol-version": HANDSHAKE}, 400, protocol.HEADER_MISMATCH),
        ("tools/call", {"name": "x"}, {"mcp-name": "y"}, 400, protocol.HEADER_MISMATCH),
        ("tools/call", {"name": "ü"}, {"mcp-name": "=?base64?w7=?="}, 400, protocol.HEADER_MISMATCH),
        ("tools/call", {"name": "ü"}, {}, 400, protocol.INVALID_PARAMS),
        ("tools/list", {"cursor": "x"}, {}, 400, protocol.INVALID_PARAMS),
    ],
)
def test_a_stateless_request_that_is_wrong(me, method, params, headers, status, code) -> None:
    answer = stateless(me.client, method, params, **headers)
    assert (answer.status, answer.json["error"]["code"], answer.json["id"]) == (status, code, "a")


def test_revisions_that_are_not_spoken(me) -> None:
    for answer in (
        say(me.client, "ping", version="2024-01-01"),
        stateless(
            me.client,
            "tools/list",
            {"_meta": {protocol.VERSION_KEY: "2031-01-01", protocol.CLIENT_CAPABILITIES_KEY: {}}},
            **{"mcp-protocol-version": "2031-01-01"},
        ),
    ):
        assert (answer.status, answer.json["error"]["code"]) == (400, protocol.UNSUPPORTED_VERSION)
        assert answer.json["error"]["data"]["supported"][:2] == [STATELESS, HANDSHAKE]
    note = {"jsonrpc": "2.0", "method": "notifications/cancelled"}
    assert me.client.post("/v1/mcp", note, headers={"mcp-protocol-version": "x"}).status == 400
    assert me.client.post("/v1/mcp", note, headers={"mcp-protocol-version": STATELESS}).status == 202


# Batches


def test_batches_belong_to_one_revision(me, at_once) -> None:
    name = agent(me)
    batch = [
        {"jsonrpc": "2.0", "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "method": "notifications/progress"},
        {"jsonrpc": "2.0", "id": 2, "method": "nothing"},
        {"jsonrpc": "2.0", "id": 3, "method": "initialize"},
        {
            "jsonrpc": "2.0",
            "id": 4,
            "method": "tools/call",
            "params": {"name": name, "arguments": {"input": "x"}},
        },
        7,
    ]
    text = json.dumps(batch)
    for headers in ({}, {"mcp-protocol-version": "2025-03-26"}):
        answer = me.client.post("/v1/mcp", raw=text, headers=headers)
        assert answer.status == 200
        assert [(item["id"], item.get("error", {}).get("code")) for item in answer.json] == [
            (1, None),
            (2, protocol.METHOD_NOT_FOUND),
            (3, protocol.INVALID_REQUEST),
            (4, None),
            (None, protocol.INVALID_REQUEST),
        ]
    for headers in ({"mcp-protocol-version": "2025-06-18"}, {"mcp-protocol-version": STATELESS}):
        refused = me.client.post("/v1/mcp", raw=text, headers=headers)
        assert (refused.status, refused.json["error"]["code"]) == (400, protocol.INVALID_REQUEST)
    for wrong in ([], [batch[0]] * 21):
        assert me.client.post("/v1/mcp", raw=json.dumps(wrong)).status == 400
    silent = me.client.post("/v1/mcp", raw=json.dumps([batch[1]]))
    assert (silent.status, silent.text) == (202, "")


# Bad input


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100_000,
        '{"a":1,"a":2}',
        '{"id": NaN}',
        '{"id": "\\ud800"}',
        "9" * 5_000,
        '{"a": 1e999}',
    ],
)
def test_what_is_no_json_is_a_parse_error(me, text: str) -> None:
    answer = me.client.post("/v1/mcp", raw=text)
    assert (answer.status, answer.json["error"]["code"], answer.json["id"]) == (
        400,
        protocol.PARSE_ERROR,
        None,
    )


@pytest.mark.parametrize(
    "message",
    [
        *(None, 7, "x", {}, {"jsonrpc": "2.0"}, {"jsonrpc": "2.0", "id": 1}, {"id": 1, "method": "ping"}),
        {"jsonrpc": "2.0", "id": None, "method": "ping"},
        {"jsonrpc": "2.0", "id": True, "method": "ping"},
        {"jsonrpc": "2.0", "id": 1.5, "method": "ping"},
        {"jsonrpc": "2.0", "id": "x" * 256, "method": "ping"},
        {"jsonrpc": "2.0", "id": 1, "method": 7},
        {"jsonrpc": "2.0", "id": 1, "method": None, "result": 1, "error": {}},
        {"jsonrpc": "1.0", "id": 1, "method": "ping"},
    ],
)
def test_what_is_no_message_is_an_invalid_request(me, message: Any) -> None:
    answer = me.client.post("/v1/mcp", raw=json.dumps(message))
    assert (answer.status, answer.json["error"]["code"]) == (400, protocol.INVALID_REQUEST)


def test_parameters_of_the_wrong_kind(me) -> None:
    for params in ([], "x", 7, {"name": 7}, {"name": "x", "arguments": []}, {"arguments": {}}):
        answer = say(me.client, "tools/call", params)
        assert answer.status in (200, 400) and answer.json["error"]["code"] == protocol.INVALID_PARAMS, params
    refused = me.client.post("/v1/mcp", raw="{}", headers={"Content-Type": "text/plain"})
    assert refused.status == 415


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
METHODS = st.sampled_from(["initialize", "ping", "tools/list", "tools/call", "server/discover"]) | st.text()
SHAPED = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0") | ANYTHING, "method": METHODS | ANYTHING},
    optional={
        "id": st.integers() | st.text() | ANYTHING,
        "params": ANYTHING
        | st.fixed_dictionaries(
            {}, optional={"name": ANYTHING, "arguments": ANYTHING, "cursor": ANYTHING, "_meta": ANYTHING}
        ),
    },
)
VERSIONS = st.sampled_from([None, *protocol.SPOKEN, "x"])


@given(message=SHAPED | ANYTHING | st.lists(SHAPED, max_size=3), version=VERSIONS)
@tries(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_message_gets_an_answer_that_is_one(me, message: Any, version: str | None) -> None:
    headers = {"mcp-protocol-version": version} if version else {}
    try:
        text = json.dumps(message, ensure_ascii=False)
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(message)
    answer = me.client.post("/v1/mcp", raw=text, headers=headers)
    assert answer.status in (200, 202, 400, 404)
    if answer.status == 202:
        assert answer.text == ""
        return
    said = answer.json if isinstance(answer.json, list) else [answer.json]
    for one in said:
        jsonrpc_message_adapter.validate_python(one, by_name=False)
        assert ("result" in one) != ("error" in one)


@given(name=st.text(min_size=1, max_size=255), id=st.uuids())
def test_a_name_is_one_for_every_client_and_leads_back(name: str, id: UUID) -> None:
    made = tool_names.with_id(name, offered_tools.AGENT, id)
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", made)
    assert tool_names.id_in(made) == (offered_tools.AGENT, id)
    assert tool_names.with_id(name, offered_tools.AGENT, id) == made


@given(first=st.text(max_size=255), second=st.text(max_size=255), ids=st.tuples(st.uuids(), st.uuids()))
def test_two_things_have_two_names(first: str, second: str, ids: tuple[UUID, UUID]) -> None:
    same = tool_names.with_id(first, "a", ids[0]) == tool_names.with_id(second, "a", ids[1])
    assert not same or ids[0] == ids[1]


@given(text=st.text(string.ascii_letters + string.digits + "_-", max_size=70) | st.text(max_size=70))
def test_any_text_is_a_name_or_none(text: str) -> None:
    found = tool_names.id_in(text)
    assert found is None or text.endswith(tool_names.with_id("", *found)[-24:])


@given(text=st.text(max_size=100).filter(lambda text: max(text, default="a") < "\ud800"))
def test_a_header_carries_any_text(text: str) -> None:
    assert protocol.unwrapped(protocol.wrapped(text)) == text
    assert protocol.wrapped(text).isascii() and "\n" not in protocol.wrapped(text)
