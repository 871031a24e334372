"""Agents as tools of the Model Context Protocol: with plain requests, and with the reference client."""

import asyncio
import json
from typing import Any

import httpx2
import pytest
from mcp import Client as McpClient
from mcp.client.streamable_http import streamable_http_client

from tests.agents.execution_helpers import Starter, execute_immediately
from tests.agents.http_gateway import serve_gateway
from tests.agents.mcp_requests import (
    HANDSHAKE,
    STATELESS,
    call_tool,
    create_agent_tool,
    id_in,
    send_request,
    send_stateless_request,
)
from tests.factories import RegisteredUser, register
from tests.gateway import Client
from weconnect.agents.mcp import agent_tools, protocol, server, tool_names


@pytest.fixture
def me(aws: None, starter: Starter) -> RegisteredUser:
    return register()


@pytest.fixture
def immediate(starter: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finish executions before the call that starts them returns."""
    execute_immediately(starter, monkeypatch)


@pytest.fixture
def without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Return from calls without waiting for the execution."""
    monkeypatch.setattr(server, "WAIT_SECONDS", 0)


# The reference client


@pytest.mark.parametrize("mode", ["auto", "legacy", STATELESS])
def test_the_reference_client_calls_agents(me: RegisteredUser, immediate: None, mode: str) -> None:
    shaped, name = create_agent_tool(me, "Shaped", outputSchema=SHAPE), create_agent_tool(me, "Sums & co")
    key = me.client.post(
        "/v1/api-keys", {"name": "mcp", "scopes": ["agents:execute"], "permissions": {"canExecute": True}}
    )
    headers = {"X-API-Key": key.json["key"]}

    async def talk(address: str) -> tuple[Any, ...]:
        async with httpx2.AsyncClient(headers=headers, trust_env=False) as http:
            transport = streamable_http_client(f"{address}/v1/mcp", http_client=http)
            async with McpClient(transport, mode=mode) as client:
                listing = await client.list_tools()
                result = await client.call_tool(name, {"input": "what is 17 * 23?"})
                wrong = await client.call_tool(name, {"text": "what is 17 * 23?"})
                formed = await client.call_tool(shaped, {"input": "what is 6 * 7?"})
                assert formed.structured_content == {"answer": "6 * 7 = 42", "from": "us"}
                return client.protocol_version, listing, result, wrong

    with serve_gateway() as address:
        version, listing, result, wrong = asyncio.run(talk(address))
    assert version == (HANDSHAKE if mode == "legacy" else STATELESS)
    assert [tool.name for tool in listing.tools] == ["get_agent_run", name, shaped]
    assert listing.tools[1].title == "Sums & co" and listing.tools[1].input_schema["required"] == ["input"]
    assert (result.content[0].text, result.is_error) == ("17 * 23 = 391", False)
    assert wrong.is_error and "/input" in wrong.content[0].text


# Plain requests


def test_initialize_agrees_on_a_supported_revision(me: RegisteredUser) -> None:
    for requested, expected in [
        ("2025-06-18", "2025-06-18"),
        ("1999-01-01", HANDSHAKE),
        (STATELESS, HANDSHAKE),
    ]:
        params = {
            "protocolVersion": requested,
            "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        }
        response = send_request(me.client, "initialize", params, version=None)
        assert response.status == 200 and response.json["id"] == 7
        assert response.json["result"]["protocolVersion"] == expected
        assert response.json["result"]["capabilities"] == {"tools": {}}
        assert "Mcp-Session-Id" not in response.headers
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    accepted = me.client.post("/v1/mcp", ready)
    assert (accepted.status, accepted.text) == (202, "")
    assert send_request(me.client, "ping").json == {"jsonrpc": "2.0", "id": 7, "result": {}}
    assert (
        send_request(me.client, "initialize", version=None).json["error"]["code"] == protocol.INVALID_PARAMS
    )


def test_a_request_for_a_stream_is_refused(me: RegisteredUser) -> None:
    response = me.client.get("/v1/mcp")
    assert (response.status, response.headers["Allow"], response.json["code"]) == (
        405,
        "POST",
        "method_not_allowed",
    )


def test_only_active_agents_of_the_own_organization_are_tools(me: RegisteredUser, immediate: None) -> None:
    mine, asleep = create_agent_tool(me), create_agent_tool(me, "Asleep", isActive=False)
    stranger = register()
    theirs = create_agent_tool(stranger)
    listing = send_request(me.client, "tools/list").json["result"]["tools"]
    assert [tool["name"] for tool in listing] == ["get_agent_run", mine]
    assert "not active" in call_tool(me.client, asleep, input="x")["content"][0]["text"]
    for name in (
        theirs,
        "Helper",
        "nothing",
        mine[:-1],
        tool_names.with_id("x", "w", id_in(mine)),
    ):
        response = send_request(me.client, "tools/call", {"name": name, "arguments": {"input": "x"}})
        assert response.json["error"]["code"] == protocol.INVALID_PARAMS, name


def test_a_renamed_agent_can_be_called_by_its_old_name(me: RegisteredUser, immediate: None) -> None:
    name = create_agent_tool(me)
    path = f"/v1/agents/{id_in(name)}"
    assert me.client.patch(path, {"name": "Ünlü Başka"}).status == 200
    assert send_request(me.client, "tools/list").json["result"]["tools"][1]["name"] == "Unlu_Baska" + name[6:]
    assert call_tool(me.client, name, input="what is 6 * 7?")["content"][0]["text"] == "6 * 7 = 42"


def test_tools_are_listed_in_pages(me: RegisteredUser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_tools, "PAGE_SIZE", 2)
    created = [create_agent_tool(me, f"Agent {number}") for number in range(5)]
    names: list[str] = []
    cursor, pages = None, 0
    while cursor or not pages:
        result = send_request(me.client, "tools/list", {"cursor": cursor} if cursor else None).json["result"]
        names += [tool["name"] for tool in result["tools"]]
        cursor, pages = result.get("nextCursor"), pages + 1
    assert names == ["get_agent_run", *created[::-1]] and pages == 3
    wrong_cursors: list[Any] = ["x", 7, {}]
    for wrong in wrong_cursors:
        assert (
            send_request(me.client, "tools/list", {"cursor": wrong}).json["error"]["code"]
            == protocol.INVALID_PARAMS
        )


def test_the_result_of_a_long_execution_can_be_fetched_later(
    me: RegisteredUser, starter: Starter, without_waiting: None
) -> None:
    result = call_tool(me.client, create_agent_tool(me), input="what is 17 * 23?")
    ids = result["structuredContent"]
    assert (result["isError"], ids["status"]) == (False, "pending")
    assert ids["executionId"] in result["content"][0]["text"]
    requested = {name: ids[name] for name in ("agentId", "executionId")}
    assert call_tool(me.client, "get_agent_run", **requested)["structuredContent"] == ids
    starter.run_pending()
    done = call_tool(me.client, "get_agent_run", **requested)
    assert (done["content"][0]["text"], done["isError"]) == ("17 * 23 = 391", False)
    assert done["_meta"]["weconnect/executionId"] == ids["executionId"]
    for wrong in ({}, {**requested, "executionId": "x"}, {**requested, "more": 1}):
        assert "do not match" in call_tool(me.client, "get_agent_run", **wrong)["content"][0]["text"]
    stranger = register()
    assert (
        call_tool(stranger.client, "get_agent_run", **requested)["_meta"]["weconnect/code"]
        == "execution_not_found"
    )


def test_a_session_id_continues_a_conversation(me: RegisteredUser, immediate: None) -> None:
    name = create_agent_tool(me)
    assert (
        call_tool(me.client, name, input="what is 6 * 7?", sessionId="s")["content"][0]["text"]
        == "6 * 7 = 42"
    )
    assert call_tool(me.client, name, input="times 2", sessionId="s")["content"][0]["text"] == "42 * 2 = 84"


def test_a_failed_execution_is_an_error_result(
    me: RegisteredUser, starter: Starter, without_waiting: None
) -> None:
    ids = call_tool(me.client, create_agent_tool(me), input="x")["structuredContent"]
    path = f"/v1/agents/{ids['agentId']}/executions/{ids['executionId']}"
    assert me.client.post(f"{path}/cancel").status == 202
    result = call_tool(me.client, "get_agent_run", agentId=ids["agentId"], executionId=ids["executionId"])
    assert result["isError"] and result["_meta"]["weconnect/status"] == "cancelled"


def test_an_execution_limit_is_an_error_result(me: RegisteredUser, immediate: None) -> None:
    name = create_agent_tool(me)
    limit = me.client.put(f"/v1/execution-limits/{me.user['id']}/hourly", {"maxExecutions": 1})
    assert limit.status == 200
    assert call_tool(me.client, name, input="x")["isError"] is False
    refused = call_tool(me.client, name, input="x")
    assert refused["isError"] and refused["_meta"]["weconnect/code"] == "execution_limit_reached"


def test_the_id_of_a_request_is_not_an_idempotency_key(me: RegisteredUser, immediate: None) -> None:
    name = create_agent_tool(me)
    execution_ids = [
        call_tool(me.client, name, input="x")["_meta"]["weconnect/executionId"] for _ in range(2)
    ]
    assert execution_ids[0] != execution_ids[1]
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call"}
    message["params"] = {"name": name, "arguments": {"input": "x"}}
    first, again = (me.client.post("/v1/mcp", message, headers={"Idempotency-Key": "once"}) for _ in range(2))
    assert first.text == again.text and again.headers["Idempotent-Replayed"] == "true"


def test_a_caller_without_agents_read_sees_only_their_own_executions(
    me: RegisteredUser, starter: Starter, without_waiting: None
) -> None:
    name = create_agent_tool(me)

    def key(**permissions: bool) -> Client:
        scopes = ["agents:execute", "agents:read"]
        created = me.client.post("/v1/api-keys", {"name": "k", "scopes": scopes, "permissions": permissions})
        return Client(headers={"X-API-Key": created.json["key"]})

    assert send_request(key(canRead=True), "tools/list").json["code"] == "permission_missing"
    ids = call_tool(me.client, name, input="x")["structuredContent"]
    requested = {"agentId": ids["agentId"], "executionId": ids["executionId"]}
    assert call_tool(key(canExecute=True), "get_agent_run", **requested)["structuredContent"] == ids, (
        "the same user"
    )


SHAPE = {
    "type": "object",
    "properties": {"answer": {"type": "string"}, "from": {"const": "us"}},
    "required": ["answer", "from"],
}


def test_an_agent_with_an_output_schema_returns_structured_content(
    me: RegisteredUser, immediate: None
) -> None:
    plain, shaped = create_agent_tool(me), create_agent_tool(me, "Shaped", outputSchema=SHAPE)
    listing = {tool["name"]: tool for tool in send_request(me.client, "tools/list").json["result"]["tools"]}
    assert listing[shaped]["outputSchema"] == SHAPE and "outputSchema" not in listing[plain]
    result = call_tool(me.client, shaped, input="what is 6 * 7?")
    assert result["structuredContent"] == {"answer": "6 * 7 = 42", "from": "us"}
    assert json.loads(result["content"][0]["text"]) == result["structuredContent"]


def test_an_unfinished_execution_of_an_agent_with_an_output_schema_is_an_error_result(
    me: RegisteredUser, starter: Starter, without_waiting: None
) -> None:
    result = call_tool(me.client, create_agent_tool(me, outputSchema=SHAPE), input="what is 6 * 7?")
    assert result["isError"] and "structuredContent" not in result
    requested = {name: result["_meta"][f"weconnect/{name}"] for name in ("agentId", "executionId")}
    starter.run_pending()
    assert call_tool(me.client, "get_agent_run", **requested)["structuredContent"]["answer"] == "6 * 7 = 42"


# The stateless revision


def test_a_stateless_request_needs_no_handshake(me: RegisteredUser, immediate: None) -> None:
    name = create_agent_tool(me)
    discovered = send_stateless_request(me.client, "server/discover")
    assert discovered.status == 200
    assert discovered.json["result"]["supportedVersions"][0] == STATELESS
    assert discovered.json["result"]["resultType"] == "complete"
    result = send_stateless_request(
        me.client, "tools/call", {"name": name, "arguments": {"input": "what is 6 * 7?"}}
    )
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
def test_a_malformed_stateless_request_is_rejected(
    me: RegisteredUser, method: str, params: dict[str, Any], headers: dict[str, str], status: int, code: int
) -> None:
    response = send_stateless_request(me.client, method, params, **headers)
    assert (response.status, response.json["error"]["code"], response.json["id"]) == (status, code, "a")


def test_an_unsupported_revision_is_rejected(me: RegisteredUser) -> None:
    for response in (
        send_request(me.client, "ping", version="2024-01-01"),
        send_stateless_request(
            me.client,
            "tools/list",
            {"_meta": {protocol.VERSION_KEY: "2031-01-01", protocol.CLIENT_CAPABILITIES_KEY: {}}},
            **{"mcp-protocol-version": "2031-01-01"},
        ),
    ):
        assert (response.status, response.json["error"]["code"]) == (400, protocol.UNSUPPORTED_VERSION)
        assert response.json["error"]["data"]["supported"][:2] == [STATELESS, HANDSHAKE]
    note = {"jsonrpc": "2.0", "method": "notifications/cancelled"}
    assert me.client.post("/v1/mcp", note, headers={"mcp-protocol-version": "x"}).status == 400
    assert me.client.post("/v1/mcp", note, headers={"mcp-protocol-version": STATELESS}).status == 202


# Batches


def test_batches_are_accepted_in_one_revision_only(me: RegisteredUser, immediate: None) -> None:
    name = create_agent_tool(me)
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
        response = me.client.post("/v1/mcp", raw=text, headers=headers)
        assert response.status == 200
        assert [(item["id"], item.get("error", {}).get("code")) for item in response.json] == [
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
