"""The tools of a remote MCP server: fetched once for the tool's row, then called one by one."""

import json
from typing import Any

from weconnect import json_schema
from weconnect.agents.mcp import client
from weconnect.agents.mcp.client import McpConnection
from weconnect.agents.tools import http_tool
from weconnect.agents.tools.credentials import api_key_header, hide_secrets
from weconnect.agents.tools.entities import AgentToolConfiguration, McpServer, McpServerTool
from weconnect.agents.tools.errors import ToolError
from weconnect.api import request_body
from weconnect.base_entity import JsonObject
from weconnect.hiding import hide, hide_and_cut

MAX_TOOLS = 64
MAX_BYTES = 60_000
LIST_SECONDS = 15.0


def fetch_server(configuration: AgentToolConfiguration, api_key: str | None) -> McpServer:
    """Fetch the list of a server's tools. Raises ToolError, also when it is too large to store.

    `parameters.tools` selects tools before the limits are checked, so that some tools of a large server can be used.
    """
    with hide_secrets(configuration, api_key).active():
        try:
            connection = _connect(configuration, api_key, LIST_SECONDS)
            tools = [
                _parse_tool(hide(tool)) for tool in _select(configuration, client.list_tools(connection))
            ]
        except ToolError as error:
            raise ToolError(hide(str(error))) from None
    if not tools:
        raise ToolError("The server has no tools")
    server = McpServer(protocol_version=str(connection.version), tools=tools)
    size = len(json.dumps(server.to_json_dict(), ensure_ascii=False).encode(errors="replace"))
    if len(tools) > MAX_TOOLS or size > MAX_BYTES:
        raise ToolError(
            f"The server has {len(tools)} tools in {size} bytes, but at most {MAX_TOOLS} tools in {MAX_BYTES} bytes "
            "can be stored. Name the tools to use in configuration.parameters.tools"
        )
    return server


def call_server_tool(
    configuration: AgentToolConfiguration,
    tool: McpServerTool,
    version: str,
    arguments: JsonObject,
    *,
    api_key: str | None,
    idempotency_key: str,
) -> Any:
    """Call a tool and return its structured result, or else its text. Raises ToolError, also for an error result."""
    timeout_seconds = float(configuration.timeout or http_tool.TIMEOUT_SECONDS)
    with hide_secrets(configuration, api_key).active():
        try:
            connection = _connect(configuration, api_key, timeout_seconds)
            connection.version = version
            headers = client.headers_from_arguments(tool.input_schema, arguments)
            result = hide(client.call_tool(connection, tool.name, arguments, headers, idempotency_key))
            value = _result_value(result)
            if result.get("isError"):
                text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
                raise ToolError(text[: http_tool.MAX_TEXT_BYTES] or f"{tool.name} failed")
        except ToolError as error:
            raise ToolError(hide(str(error))) from None
    return value


def _connect(
    configuration: AgentToolConfiguration, api_key: str | None, timeout_seconds: float
) -> McpConnection:
    """Return the connection to a tool's server, with its headers and key; nothing is sent yet."""
    parameters = configuration.parameters or {}
    headers = {name.lower(): str(value) for name, value in (parameters.get("headers") or {}).items()}
    headers |= api_key_header(parameters, api_key)
    return McpConnection(configuration.api_endpoint or "", headers, timeout_seconds)


def _select(configuration: AgentToolConfiguration, tools: list[JsonObject]) -> list[JsonObject]:
    """Return the tools that `parameters.tools` names, or all. Raises ToolError for a missing one."""
    names = (configuration.parameters or {}).get("tools")
    tools_by_name = {tool.get("name"): tool for tool in tools if isinstance(tool.get("name"), str)}
    if names is None:
        return list(tools_by_name.values())
    if missing := [name for name in names if name not in tools_by_name]:
        raise ToolError(f"The server has no tool {', '.join(repr(name[:100]) for name in missing[:5])}")
    return [tools_by_name[name] for name in dict.fromkeys(names)]


def _parse_tool(tool: JsonObject) -> McpServerTool:
    """Return a tool as the server describes it. Raises ToolError for one that cannot be called."""
    name = str(tool["name"])
    if not 1 <= len(name) <= 128 or not name.isprintable():
        raise ToolError(f"The server's tool {hide_and_cut(name, 100)!a} has an invalid name")
    input_schema, output_schema = tool.get("inputSchema"), tool.get("outputSchema")
    if not isinstance(input_schema, dict) or input_schema.get("type", "object") != "object":
        raise ToolError(f"The server's tool {name} does not take an object")
    for field, schema in (("inputSchema", input_schema), ("outputSchema", output_schema)):
        try:
            if schema is not None:
                json_schema.check_schema(schema, patterns=False)
        except json_schema.UnusableSchema as error:
            pointer = f"{field}{error.pointer}"
            raise ToolError(f"The server's tool {name} cannot be used: {pointer} {error.detail}") from None
    description = tool.get("description")
    return McpServerTool(
        name=name,
        description=description[:2_000] if isinstance(description, str) else "",
        input_schema=input_schema,
        output_schema=output_schema if isinstance(output_schema, dict) else None,
    )


def _result_value(result: JsonObject) -> Any:
    """Return the structured content if there is any, else the texts; a value too large or too deep becomes cut text."""
    structured = result.get("structuredContent")
    is_usable = (
        not request_body.is_too_deep(structured) and len(json.dumps(structured)) <= http_tool.MAX_JSON_BYTES
    )
    if structured is not None and is_usable:
        return structured
    content = result.get("content")
    blocks = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
    text = "\n".join(map(_block_text, blocks)) if blocks or structured is None else json.dumps(structured)
    return text.encode(errors="replace")[: http_tool.MAX_TEXT_BYTES].decode(errors="ignore")


def _block_text(block: JsonObject) -> str:
    """Return the text of a content block; an image or a link becomes `(type address)`."""
    if isinstance(block.get("text"), str):
        return str(block["text"])
    resource = block.get("resource")
    if isinstance(resource, dict) and isinstance(resource.get("text"), str):
        return str(resource["text"])
    address = block.get("uri") or block.get("mimeType") or ""
    return f"({str(block.get('type'))[:40]} {str(address)[:500]})".replace(" )", ")")
