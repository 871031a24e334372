"""Tools of remote MCP servers: an ordinary one in both of the protocol's ways, and hostile ones."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from tests.agents.execution_helpers import Starter
from tests.agents.fake_mcp_server import KEY, FakeMcpServer, serve_warehouse
from tests.factories import RegisteredUser
from weconnect.agents.mcp import protocol
from weconnect.durable import client as durable_client
from weconnect.settings import settings


def allow_host(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setitem(settings.__dict__, "outbound_allowed_hosts", frozenset({address[7:]}))


TRANSPORTS = [
    {"handshake": False},
    {"handshake": False, "json_response": True},
    {"handshake": True},
    {"handshake": True, "json_response": True},
    {"handshake": True, "stateless_http": True},
]


@pytest.fixture(
    params=TRANSPORTS, ids=lambda way: "-".join(name for name, value in way.items() if value) or "stateless"
)
def any_server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeMcpServer]:
    with serve_warehouse(**request.param) as served:
        allow_host(monkeypatch, served.address)
        yield served


@pytest.fixture
def stateless_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeMcpServer]:
    with serve_warehouse(handshake=False) as served:
        allow_host(monkeypatch, served.address)
        yield served


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


def test_the_tools_of_a_real_server_can_be_called(
    me: RegisteredUser, path: str, any_server: FakeMcpServer
) -> None:
    created = me.client.post(f"{path}/tools", tool(any_server.address))
    assert created.status == 201, created.text
    tools = created.json["remote"]["tools"]
    assert [item["name"] for item in tools] == ["stock", "shelf.of", "broken"]
    assert tools[0]["inputSchema"]["required"] == ["item"]
    assert created.json["remote"]["protocolVersion"] in protocol.SUPPORTED_VERSIONS
    location = created.headers["Location"]
    assert call_tool(me, location, "stock", item="nails", least=3)["result"] == {"item": "nails", "count": 10}
    assert (
        call_tool(me, location, "shelf.of", item="nails")["result"] == "nails is on shelf 4; the key was ••••"
    )
    assert "burnt down" in call_tool(me, location, "broken")["error"]
    assert "'item' is a required property" in call_tool(me, location, "stock")["error"]
    keys = any_server.header_values("idempotency-key")
    assert len(set(keys)) == 3 and all(key.startswith("test:") for key in keys)
    sessions = set(any_server.header_values("mcp-session-id"))
    assert any_server.header_values("method").count("DELETE") == len(sessions), "each session is ended"


def test_an_agent_uses_a_tool_of_the_server(
    me: RegisteredUser, path: str, stateless_server: FakeMcpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    starter = Starter()
    monkeypatch.setattr(durable_client, "lambda_client", lambda: starter)
    created = me.client.post(f"{path}/tools", tool(stateless_server.address, tools=["stock"]))
    started = me.client.post(f"{path}/executions", {"input": "store__stock item=nails"})
    starter.run_pending()
    execution = me.client.get(started.headers["Location"]).json
    assert execution["status"] == "completed" and "count 7" in execution["output"], execution
    step = next(step for step in execution["steps"] if step["type"] == "tool")
    assert (step["name"], step["result"]) == ("store__stock", {"item": "nails", "count": 7})
    assert stateless_server.header_values("idempotency-key") == [f"{execution['id']}:tool-1-1"]
    assert me.client.get(created.headers["Location"]).json["usageCount"] == 1
    version = me.client.get(f"{path}/versions/{execution['agentVersion']}").json["tools"]
    assert [(tool["name"], tool["remoteName"]) for tool in version] == [("store__stock", "stock")]


def test_the_api_key_is_neither_returned_nor_stored_in_clear(
    me: RegisteredUser, path: str, stateless_server: FakeMcpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    created = me.client.post(f"{path}/tools", tool(stateless_server.address))
    assert KEY not in created.text and created.json["hasApiKey"]
    assert KEY not in str(boto3.client("dynamodb").scan(TableName="weconnect")["Items"])
    assert KEY not in capsys.readouterr().out


def test_the_parameter_tools_selects_tools_of_the_server(
    me: RegisteredUser, path: str, stateless_server: FakeMcpServer
) -> None:
    created = me.client.post(f"{path}/tools", tool(stateless_server.address, tools=["shelf.of"]))
    assert [item["name"] for item in created.json["remote"]["tools"]] == ["shelf.of"]
    location = created.headers["Location"]
    assert "shelf 4" in me.client.post(f"{location}/test", {"arguments": {"item": "nails"}}).json["result"]
    refused = me.client.post(f"{location}/test", {"arguments": {}, "tool": "stock"})
    assert (refused.status, refused.json["errors"][0]["pointer"]) == (422, "/tool")
    changed = {"apiEndpoint": f"{stateless_server.address}/mcp", "parameters": {"tools": ["stock", "broken"]}}
    after = me.client.patch(location, {"configuration": changed})
    assert [item["name"] for item in after.json["remote"]["tools"]] == ["stock", "broken"]
    assert me.client.post(f"{location}/test", {"arguments": {}}).json["errors"][0]["pointer"] == "/tool"
    missing = me.client.patch(location, {"configuration": changed | {"parameters": {"tools": ["none"]}}})
    assert (missing.status, missing.json["code"]) == (422, "mcp_server_unusable")


def test_a_tool_of_an_unreachable_server_can_be_deactivated_and_copied(
    me: RegisteredUser, path: str, stateless_server: FakeMcpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = me.client.post(f"{path}/tools", tool(stateless_server.address)).headers["Location"]
    allow_host(monkeypatch, "http://nowhere:1")
    assert me.client.patch(location, {"displayName": "Store"}).status == 422
    assert (
        me.client.patch(location, {"displayName": "Store", "isActive": False}).json["displayName"] == "Store"
    )
    copied = me.client.post(f"{path}/duplicate")
    listed = me.client.get(f"/v1/agents/{copied.json['id']}/tools").json["items"]
    assert [item["name"] for item in listed[0]["remote"]["tools"]] == ["stock", "shelf.of", "broken"]


def test_tool_names_are_unique_across_servers(
    me: RegisteredUser, path: str, stateless_server: FakeMcpServer
) -> None:
    own = {
        "toolName": "store__stock",
        "toolType": "http",
        "configuration": {"apiEndpoint": "https://example.com"},
    }
    first = me.client.post(f"{path}/tools", own)
    refused = me.client.post(f"{path}/tools", tool(stateless_server.address))
    assert (refused.status, refused.json["code"]) == (409, "tool_name_taken")
    created = me.client.post(f"{path}/tools", tool(stateless_server.address, tools=["broken"]))
    assert created.status == 201
    wider = {
        "configuration": {
            "apiEndpoint": f"{stateless_server.address}/mcp",
            "parameters": {"tools": ["stock"]},
        }
    }
    assert me.client.patch(created.headers["Location"], wider).json["code"] == "tool_name_taken"
    assert me.client.delete(first.headers["Location"]).status == 204
    assert me.client.patch(created.headers["Location"], wider).status == 200
    assert me.client.post(f"{path}/tools", own).json["code"] == "tool_name_taken"


def test_a_wrong_api_key_is_reported(me: RegisteredUser, path: str, stateless_server: FakeMcpServer) -> None:
    wrong = tool(stateless_server.address)
    wrong["configuration"]["apiKey"] = "another-key"
    refused = me.client.post(f"{path}/tools", wrong)
    assert (refused.status, refused.json["detail"]) == (422, "127.0.0.1 responded with status 401")
    assert refused.json["errors"][0]["pointer"] == "/configuration/apiEndpoint"


def test_results_are_validated_against_the_output_schema(
    me: RegisteredUser, path: str, stateless_server: FakeMcpServer
) -> None:
    schema = {"type": "object", "properties": {"count": {"maximum": 8}}}
    created = me.client.post(
        f"{path}/tools", {**tool(stateless_server.address, tools=["stock"]), "outputSchema": schema}
    )
    location = created.headers["Location"]
    assert call_tool(me, location, "stock", item="nails", least=1)["error"] is None
    failed = call_tool(me, location, "stock", item="nails", least=2)
    assert (
        failed["error"] == "The result does not match the schema: /count: 9 is greater than the maximum of 8"
    )
