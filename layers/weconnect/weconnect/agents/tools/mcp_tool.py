"""Tools of a remote MCP server: read once for the row, called one by one."""

import json
from typing import Any
from urllib.parse import parse_qsl

from weconnect import json_schema
from weconnect.agents.mcp import client
from weconnect.agents.mcp.client import Remote
from weconnect.agents.tools import http_tool
from weconnect.agents.tools.credentials import hidden, key_header, secrets_in
from weconnect.agents.tools.entities import RemoteServer, RemoteTool, ToolConfiguration
from weconnect.agents.tools.errors import ToolError
from weconnect.api import request_body

MOST_TOOLS = 64
MOST_BYTES = 60_000
LIST_SECONDS = 15.0


def fetch(configuration: ToolConfiguration, api_key: str | None) -> RemoteServer:
    """What a server offers, bounded; raises ToolError.

    `parameters.tools` chooses before anything is counted, so that some tools of a large server can be had.
    """
    secrets = _secrets(configuration, api_key)
    try:
        remote = _remote(configuration, api_key, LIST_SECONDS)
        tools = [_tool(found) for found in _chosen(configuration, client.list_tools(remote))]
    except ToolError as error:
        raise ToolError(str(hidden(str(error), secrets))) from None
    if not tools:
        raise ToolError("The server offers no tools")
    server = RemoteServer(protocol_version=str(remote.version), tools=tools)
    size = len(json.dumps(server.wire(), ensure_ascii=False).encode(errors="replace"))
    if len(tools) > MOST_TOOLS or size > MOST_BYTES:
        raise ToolError(
            f"The server offers {len(tools)} tools in {size} bytes; {MOST_TOOLS} tools and {MOST_BYTES} bytes can be "
            "kept: name those to keep in configuration.parameters.tools"
        )
    return server


def call(
    configuration: ToolConfiguration,
    tool: RemoteTool,
    version: str,
    arguments: dict[str, Any],
    *,
    api_key: str | None,
    idempotency_key: str,
) -> Any:
    """The structured result, or the text, of one tool; raises ToolError, also for a result that is an error."""
    secrets = _secrets(configuration, api_key)
    try:
        remote = _remote(configuration, api_key, float(configuration.timeout or http_tool.TIMEOUT_SECONDS))
        remote.version = version
        copied = client.copied_headers(tool.input_schema, arguments)
        result = client.call_tool(remote, tool.name, arguments, copied, idempotency_key)
        value = hidden(_value(result), secrets)
        if result.get("isError"):
            said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            raise ToolError(said[: http_tool.TEXT_BYTES] or f"{tool.name} failed")
    except ToolError as error:
        raise ToolError(str(hidden(str(error), secrets))) from None
    return value


def _remote(configuration: ToolConfiguration, api_key: str | None, seconds: float) -> Remote:
    parameters = configuration.parameters or {}
    headers = {name.lower(): str(value) for name, value in (parameters.get("headers") or {}).items()}
    return Remote(configuration.api_endpoint or "", headers | key_header(parameters, api_key), seconds)


def _secrets(configuration: ToolConfiguration, api_key: str | None) -> list[str]:
    headers = (configuration.parameters or {}).get("headers") or {}
    query = (configuration.api_endpoint or "").partition("?")[2]
    return secrets_in(api_key, [*headers.items(), *parse_qsl(query)])


def _chosen(configuration: ToolConfiguration, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    wanted = (configuration.parameters or {}).get("tools")
    by_name = {tool.get("name"): tool for tool in found if isinstance(tool.get("name"), str)}
    if wanted is None:
        return list(by_name.values())
    if missing := [name for name in wanted if name not in by_name]:
        raise ToolError(f"The server has no tool {', '.join(repr(name[:100]) for name in missing[:5])}")
    return [by_name[name] for name in dict.fromkeys(wanted)]


def _tool(found: dict[str, Any]) -> RemoteTool:
    """A tool that can be called from here; raises ToolError for one that cannot."""
    name = str(found["name"])
    if not 1 <= len(name) <= 128 or not name.isprintable():
        raise ToolError(f"The server names a tool {name[:100]!a}, which is no name")
    shapes = {"inputSchema": found.get("inputSchema"), "outputSchema": found.get("outputSchema")}
    if not isinstance(shapes["inputSchema"], dict) or shapes["inputSchema"].get("type", "object") != "object":
        raise ToolError(f"The server's tool {name} takes no object")
    for word, schema in shapes.items():
        try:
            if schema is not None:
                json_schema.inspect(schema, patterns=False)
        except json_schema.BadSchema as error:
            place = f"{word}{error.pointer}"
            raise ToolError(f"The server's tool {name} cannot be used: {place} {error.detail}") from None
    description = found.get("description")
    return RemoteTool(
        name=name,
        description=description[:2_000] if isinstance(description, str) else "",
        input_schema=shapes["inputSchema"],
        output_schema=shapes["outputSchema"] if isinstance(shapes["outputSchema"], dict) else None,
    )


def _value(result: dict[str, Any]) -> Any:
    """The structured content where there is some, else the texts; whatever is too large or too deep is cut as text."""
    structured = result.get("structuredContent")
    is_kept = not request_body.is_deep(structured) and len(json.dumps(structured)) <= http_tool.JSON_BYTES
    if structured is not None and is_kept:
        return structured
    content = result.get("content")
    blocks = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
    text = "\n".join(map(_text, blocks)) if blocks or structured is None else json.dumps(structured)
    return text.encode(errors="replace")[: http_tool.TEXT_BYTES].decode(errors="ignore")


def _text(block: dict[str, Any]) -> str:
    if isinstance(block.get("text"), str):
        return str(block["text"])
    inside = block.get("resource")
    if isinstance(inside, dict) and isinstance(inside.get("text"), str):
        return str(inside["text"])
    named = block.get("uri") or block.get("mimeType") or ""
    return f"({str(block.get('type'))[:40]} {str(named)[:500]})".replace(" )", ")")
