"""Requests of the Model Context Protocol to our own route, in each of its forms."""

from typing import Any
from uuid import UUID

from tests.factories import RegisteredUser
from tests.gateway import ApiResponse, Client
from weconnect.agents.mcp import agent_tools, protocol, tool_names

HANDSHAKE = "2025-11-25"
STATELESS = "2026-07-28"


def create_agent_tool(me: RegisteredUser, name: str = "Helper", **more: Any) -> str:
    """Create an agent with a calculator; return the name of its tool."""
    created = me.client.post("/v1/agents", {"name": name, "description": "Calculates", **more})
    assert created.status == 201, created.text
    tool = me.client.post(f"{created.headers['Location']}/tools", {"toolName": "calculator"})
    assert tool.status == 201
    return tool_names.with_id(name, agent_tools.AGENT, UUID(created.json["id"]))


def id_in(tool_name: str) -> UUID:
    """Return the id of the agent or workflow in a tool's name."""
    parsed = tool_names.parse_id(tool_name)
    assert parsed
    return parsed[1]


def send_request(
    client: Client, method: str, params: Any = None, *, version: str | None = HANDSHAKE, **more: Any
) -> ApiResponse:
    """Send one request of a revision with a handshake."""
    message = {
        "jsonrpc": "2.0",
        "id": 7,
        "method": method,
        **({} if params is None else {"params": params}),
        **more,
    }
    return client.post("/v1/mcp", message, headers={"MCP-Protocol-Version": version} if version else {})


def call_tool(client: Client, name: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool and return its MCP result."""
    response = send_request(client, "tools/call", {"name": name, "arguments": arguments})
    assert response.status == 200, response.text
    return dict(response.json["result"])


def send_stateless_request(
    client: Client, method: str, params: dict[str, Any] | None = None, **headers: str
) -> ApiResponse:
    """Send one request of the stateless revision; `headers` replace the correct ones."""
    meta = {protocol.VERSION_KEY: STATELESS, protocol.CLIENT_CAPABILITIES_KEY: {}}
    params = {"_meta": meta, **(params or {})}
    sent = {"mcp-protocol-version": STATELESS, "mcp-method": method}
    if "name" in params:
        sent["mcp-name"] = protocol.encode_header(params["name"])
    message = {"jsonrpc": "2.0", "id": "a", "method": method, "params": params}
    return client.post("/v1/mcp", message, headers=sent | headers)
