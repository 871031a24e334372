"""An MCP client: list the tools of a server of the Model Context Protocol, and call one.

All requests go through the guarded client, within one timeout. A server that supports the stateless revision is called
directly; any other gets a handshake first.
"""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from weconnect.agents.mcp import protocol
from weconnect.agents.tools.errors import ToolError
from weconnect.base_entity import JsonObject
from weconnect.errors import Problem, UpstreamFailed
from weconnect.hiding import hide_and_cut
from weconnect.outbound.errors import OutboundRefused

MAX_BYTES = 2 * 1024 * 1024
MAX_PAGES = 20
DISCONNECT_SECONDS = 2.0


class _Refused(ToolError):
    """The server responded, but not with a result."""


@dataclass
class McpConnection:
    """A server and the deadline of all requests to it; `version` is None until it is known."""

    endpoint: str
    headers: dict[str, str]
    timeout_seconds: float
    version: str | None = None
    session_id: str | None = None
    deadline: float = field(init=False)

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.timeout_seconds

    @property
    def host(self) -> str:
        """The server's host, for messages."""
        return urlsplit(self.endpoint).hostname or "the server"


def list_tools(connection: McpConnection) -> list[JsonObject]:
    """Return all tools as the server describes them, and set the connection's revision. Raises ToolError."""
    _discover_version(connection)
    try:
        tools: list[JsonObject] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            result = _request(connection, "tools/list", {"cursor": cursor} if cursor else {})
            page, cursor = result.get("tools"), result.get("nextCursor")
            if not isinstance(page, list) or not all(isinstance(tool, dict) for tool in page):
                raise ToolError(f"{connection.host} returned no list of tools")
            tools += page
            if not isinstance(cursor, str) or not cursor:
                return tools
        raise ToolError(f"{connection.host} lists its tools in more than {MAX_PAGES} pages")
    finally:
        _disconnect(connection)


def call_tool(
    connection: McpConnection,
    name: str,
    arguments: JsonObject,
    argument_headers: dict[str, str],
    idempotency_key: str,
) -> JsonObject:
    """Return the MCP result of a tool. Raises ToolError.

    `argument_headers` repeats arguments that the server wants in headers; a retry has the same `idempotency_key`.
    """
    if connection.version not in protocol.STATELESS_VERSIONS:
        _shake_hands(connection)
    try:
        meta = {"weconnect/idempotencyKey": idempotency_key}
        params = {"name": name, "arguments": arguments, "_meta": meta}
        headers = {
            "idempotency-key": idempotency_key,
            protocol.NAME_HEADER: protocol.encode_header(name),
            **argument_headers,
        }
        result = _request(connection, "tools/call", params, headers)
    finally:
        _disconnect(connection)
    if result.get("resultType", "complete") != "complete":
        raise ToolError(
            f"{connection.host} asks for more input than the arguments, which an agent cannot give"
        )
    return result


def headers_from_arguments(schema: JsonObject, arguments: Any) -> dict[str, str]:
    """Return the arguments that a server wants in headers: properties with `x-mcp-header`, at any depth."""
    headers: dict[str, str] = {}
    properties = schema.get("properties")
    for name, part in properties.items() if isinstance(properties, dict) else ():
        value = arguments.get(name) if isinstance(arguments, dict) else None
        if not isinstance(part, dict) or value is None:
            continue
        header = part.get("x-mcp-header")
        if isinstance(header, str) and header.isascii() and isinstance(value, str | bool | int):
            text = value if isinstance(value, str) else json.dumps(value)
            headers[f"mcp-param-{header.lower()}"] = protocol.encode_header(text)
        headers |= headers_from_arguments(part, value)
    return headers


def _discover_version(connection: McpConnection) -> None:
    """Set the revision that the server supports."""
    connection.version = protocol.STATELESS_VERSIONS[-1]
    try:
        supported = _request(connection, "server/discover", {}).get("supportedVersions")
        if isinstance(supported, list) and connection.version in supported:
            return
    except _Refused:
        pass  # the server does not know the method; one that does not respond at all raises ToolError
    _shake_hands(connection)


def _shake_hands(connection: McpConnection) -> None:
    """Initialize a session with `initialize` and set its revision. Raises ToolError for an unsupported one."""
    connection.version = None
    params = {
        "protocolVersion": protocol.HANDSHAKE_VERSIONS[-1],
        "capabilities": {},
        "clientInfo": protocol.IMPLEMENTATION,
    }
    version = _request(connection, "initialize", params).get("protocolVersion")
    if version not in protocol.HANDSHAKE_VERSIONS:
        raise ToolError(
            f"{connection.host} uses an unsupported protocol revision: {hide_and_cut(str(version), 40)}"
        )
    connection.version = str(version)
    _post(connection, {"jsonrpc": "2.0", "method": "notifications/initialized"}, {})


def _disconnect(connection: McpConnection) -> None:
    """End the session, if the server has one; a failure is ignored, because sessions expire anyway."""
    if connection.session_id is None:
        return
    from weconnect.outbound import client as outbound  # cold start

    headers = {**connection.headers, **_build_protocol_headers(connection)}
    seconds = min(DISCONNECT_SECONDS, max(0.1, connection.deadline - time.monotonic()))
    with suppress(Problem):
        outbound.send(
            "DELETE", connection.endpoint, headers=headers, timeout_seconds=seconds, max_bytes=MAX_BYTES
        )
    connection.session_id = None


def _build_protocol_headers(connection: McpConnection) -> dict[str, str]:
    """Return the headers with the revision and the session id, as far as the connection has them."""
    headers = {
        protocol.VERSION_HEADER: connection.version,
        protocol.SESSION_HEADER: connection.session_id,
    }
    return {name: value for name, value in headers.items() if value is not None}


def _request(
    connection: McpConnection, method: str, params: JsonObject, headers: dict[str, str] | None = None
) -> JsonObject:
    """Return the result of a request. Raises _Refused for an error response, ToolError for none."""
    if connection.version in protocol.STATELESS_VERSIONS:
        meta = {
            protocol.VERSION_KEY: connection.version,
            protocol.CLIENT_CAPABILITIES_KEY: {},
            protocol.CLIENT_KEY: protocol.IMPLEMENTATION,
        }
        params = {**params, "_meta": {**params.get("_meta", {}), **meta}}
        headers = {**(headers or {}), protocol.METHOD_HEADER: method}
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    response = _post(connection, message, headers or {})
    if not isinstance(response, dict):
        raise _Refused(f"{connection.host} returned nothing for {method}")
    error, result = response.get("error"), response.get("result")
    if isinstance(error, dict):
        raise _Refused(f"{connection.host} refused {method}: {hide_and_cut(str(error.get('message')), 300)}")
    if not isinstance(result, dict):
        raise _Refused(f"{connection.host} returned no result for {method}")
    return result


def _post(connection: McpConnection, message: JsonObject, headers: dict[str, str]) -> Any:
    """Return the JSON response to a message, or the first matching event of a stream; None for a notification."""
    from weconnect.outbound import client as outbound  # cold start

    seconds_left = connection.deadline - time.monotonic()
    if seconds_left <= 0:
        raise ToolError(f"{connection.host} did not respond in time")
    all_headers = {
        **connection.headers,
        **headers,
        **_build_protocol_headers(connection),
        "accept": "application/json, text/event-stream",
        "content-type": "application/json",
    }
    try:
        with outbound.stream(
            "POST",
            connection.endpoint,
            headers=all_headers,
            json=message,
            timeout_seconds=seconds_left,
            max_bytes=MAX_BYTES,
        ) as response:
            connection.session_id = response.headers.get(protocol.SESSION_HEADER, connection.session_id)
            status, media_type = response.status_code, response.headers.get("content-type", "").lower()
            _check_status(connection, status)
            if "id" not in message:
                return None
            if media_type.startswith("text/event-stream"):
                return _first_response(connection, message["id"], response.iter_bytes())
            body = b"".join(response.iter_bytes())
    except OutboundRefused as error:
        raise ToolError(error.detail) from None
    except UpstreamFailed as error:
        raise ToolError(error.detail) from None
    try:
        return outbound.OutboundResponse(status, {}, body, connection.endpoint).json()
    except UpstreamFailed:
        text = f"{connection.host} responded with status {status}, but not in JSON"
        raise (_Refused if status >= 400 else ToolError)(text) from None


def _check_status(connection: McpConnection, status: int) -> None:
    """Raise ToolError for a status that ends the conversation; other errors come with a JSON-RPC body."""
    if 300 <= status < 400:
        raise ToolError(f"{connection.host} redirects, which is not followed")
    if status in (401, 403) or status >= 500:
        raise ToolError(f"{connection.host} responded with status {status}")


def _first_response(connection: McpConnection, request_id: int, chunks: Iterator[bytes]) -> Any:
    """Return the response among a stream's events; the rest of the stream is not read."""
    from weconnect.outbound import client as outbound  # cold start

    for data in _events(chunks):
        try:
            event = outbound.OutboundResponse(200, {}, data, connection.endpoint).json()
        except UpstreamFailed:
            raise ToolError(f"{connection.host} sent an event that is not JSON") from None
        if isinstance(event, dict) and event.get("id") == request_id and "method" not in event:
            return event
    raise ToolError(f"{connection.host} ended its stream without a response")


def _events(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the data of server-sent events."""
    rest, data = b"", []
    for chunk in chunks:
        *lines, rest = (rest + chunk).replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" "))
            elif not line.strip(b"\r") and data:
                yield b"\n".join(data)
                data = []
    if data:
        yield b"\n".join(data)
