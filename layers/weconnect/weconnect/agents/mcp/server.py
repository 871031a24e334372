"""The server side of the Model Context Protocol: each POST gets its own JSON response; no sessions, no streams.

A web page cannot make a browser call this route for its user (which is why the protocol checks `Origin`): a caller
sends a token or an API key in a header, and cookies do not count.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from weconnect.agents.mcp import agent_tools, protocol, workflow_tools
from weconnect.agents.mcp.protocol import Message, RpcError
from weconnect.api import request_body
from weconnect.api.caller import Caller
from weconnect.base_entity import JsonObject
from weconnect.errors import BadRequest, MethodNotAllowed

MAX_BATCH_MESSAGES = 20
WAIT_SECONDS = 25
INSTRUCTIONS = (
    "Each tool runs an AI agent or a workflow of your organization. A call that has not finished within 25 seconds "
    f"returns the ids of its execution; call {agent_tools.GET_EXECUTION} or {workflow_tools.GET_EXECUTION} for its "
    "result."
)

Method = Callable[[], JsonObject]


@dataclass(frozen=True)
class McpRequest:
    """The body and the headers of a POST; header names are in lower case."""

    body: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class McpResponse:
    """An HTTP status and a JSON body; None for no body."""

    status: int
    body: JsonObject | list[JsonObject] | None


def refuse_stream() -> NoReturn:
    """Raise MethodNotAllowed, as the protocol demands of a server without streams."""
    detail = "This server has no streams. POST messages instead."
    raise MethodNotAllowed(detail, headers={"Allow": "POST"})


def handle_request(caller: Caller, request: McpRequest) -> McpResponse:
    """Handle a message, or a batch of messages in the only revision that has batches."""
    deadline = time.monotonic() + WAIT_SECONDS
    try:
        value = request_body.parse_json(request.body)
        if isinstance(value, list):
            return _handle_batch(caller, value, request.headers, deadline)
        return _handle_message(caller, protocol.parse_message(value), request.headers, deadline)
    except BadRequest as error:
        return McpResponse(400, RpcError(protocol.PARSE_ERROR, error.detail).to_json())
    except RpcError as error:
        return McpResponse(400, error.to_json())


def _handle_batch(
    caller: Caller, items: list[Any], headers: Mapping[str, str], deadline: float
) -> McpResponse:
    """Handle the messages of a batch; the response is 202 when none has one. Raises RpcError for an invalid batch."""
    if headers.get(protocol.VERSION_HEADER, protocol.BATCH_VERSION) != protocol.BATCH_VERSION:
        raise RpcError(protocol.INVALID_REQUEST, "Send one message; this revision has no batches")
    if not 1 <= len(items) <= MAX_BATCH_MESSAGES:
        raise RpcError(protocol.INVALID_REQUEST, f"A batch takes 1 to {MAX_BATCH_MESSAGES} messages")
    responses = []
    for item in items:
        try:
            message = protocol.parse_message(item)
            if message.method == "initialize" or protocol.VERSION_KEY in message.meta:
                text = "This request cannot be part of a batch"
                raise RpcError(protocol.INVALID_REQUEST, text, request_id=message.id)
            responses.append(_handle_message(caller, message, headers, deadline).body)
        except RpcError as error:
            responses.append(error.to_json())
    bodies = [body for body in responses if isinstance(body, dict)]
    return McpResponse(200, bodies) if bodies else McpResponse(202, None)


def _handle_message(
    caller: Caller, message: Message, headers: Mapping[str, str], deadline: float
) -> McpResponse:
    """Handle one message; an RpcError becomes the response. A notification gets 202 without a body."""
    version = headers.get(protocol.VERSION_HEADER, protocol.BATCH_VERSION)
    has_handshake = version in protocol.HANDSHAKE_VERSIONS and protocol.VERSION_KEY not in message.meta
    if message.id is None:
        if not has_handshake and version not in protocol.STATELESS_VERSIONS:
            raise protocol.unsupported_version(version, None)
        return McpResponse(202, None)
    try:
        if has_handshake:
            return McpResponse(200, _to_response(message, _execute_with_handshake(caller, message, deadline)))
        if version not in protocol.SUPPORTED_VERSIONS and protocol.VERSION_KEY not in message.meta:
            raise protocol.unsupported_version(version, message.id)
        protocol.check_envelope(message, headers)
        return McpResponse(200, _to_response(message, _execute_stateless(caller, message, deadline)))
    except RpcError as error:
        error.request_id = message.id
        status = 200 if has_handshake else protocol.STATUS_BY_CODE.get(error.code, 400)
        return McpResponse(status, error.to_json())


def _to_response(message: Message, result: JsonObject) -> JsonObject:
    """Return the JSON-RPC response to a message with an id."""
    return {"jsonrpc": "2.0", "id": message.id, "result": result}


def _execute_with_handshake(caller: Caller, message: Message, deadline: float) -> JsonObject:
    """Return the result of a method in the revisions that begin with `initialize`. Raises RpcError."""
    methods: dict[str | None, Method] = {
        "initialize": lambda: _initialize(message),
        "ping": dict,
        "tools/list": lambda: _list_tools(caller, message),
        "tools/call": lambda: _call_tool(caller, message, deadline),
    }
    return _find_method(methods, message)()


def _execute_stateless(caller: Caller, message: Message, deadline: float) -> JsonObject:
    """Return the result of a method in the revisions without sessions, with its `_meta`. Raises RpcError."""
    cache_hints: JsonObject = {"ttlMs": 0, "cacheScope": "private"}
    methods: dict[str | None, Method] = {
        "server/discover": lambda: _discover() | cache_hints,
        "tools/list": lambda: _list_tools(caller, message) | cache_hints,
        "tools/call": lambda: _call_tool(caller, message, deadline),
    }
    result = _find_method(methods, message)()
    meta = {**result.get("_meta", {}), protocol.SERVER_KEY: protocol.IMPLEMENTATION}
    return {**result, "resultType": "complete", "_meta": meta}


def _find_method(methods: dict[str | None, Method], message: Message) -> Method:
    """Return the handler of the message's method. Raises RpcError for an unknown one."""
    if message.method not in methods:
        raise RpcError(protocol.METHOD_NOT_FOUND, "Method not found")
    return methods[message.method]


def _initialize(message: Message) -> JsonObject:
    """Agree on the client's revision if it is supported, else offer the newest one with a handshake."""
    requested = message.params.get("protocolVersion")
    if not isinstance(requested, str):
        raise RpcError(protocol.INVALID_PARAMS, "protocolVersion must be a string")
    is_supported = requested in protocol.HANDSHAKE_VERSIONS
    version = requested if is_supported else protocol.HANDSHAKE_VERSIONS[-1]
    return {"protocolVersion": version, "serverInfo": protocol.IMPLEMENTATION, **_describe_capabilities()}


def _discover() -> JsonObject:
    """Return the result of `server/discover`: the supported revisions and the capabilities."""
    return {"supportedVersions": list(protocol.SUPPORTED_VERSIONS), **_describe_capabilities()}


def _describe_capabilities() -> JsonObject:
    """Return the server's capabilities and its instructions for the model."""
    return {"capabilities": {"tools": {}}, "instructions": INSTRUCTIONS}


def _list_tools(caller: Caller, message: Message) -> JsonObject:
    """Return the result of `tools/list`. Raises RpcError for an invalid cursor."""
    cursor = message.params.get("cursor")
    if not isinstance(cursor, str | None):
        raise RpcError(protocol.INVALID_PARAMS, "cursor must be a string")
    try:
        tools, next_cursor = agent_tools.list_tools(caller, cursor)
    except BadRequest as error:
        raise RpcError(protocol.INVALID_PARAMS, error.detail) from error
    return {"tools": tools} | ({"nextCursor": next_cursor} if next_cursor else {})


def _call_tool(caller: Caller, message: Message, deadline: float) -> JsonObject:
    """Return the result of `tools/call`, within the `deadline` of time.monotonic(). Raises RpcError."""
    name, arguments = message.params.get("name"), message.params.get("arguments")
    if not isinstance(name, str) or not isinstance(arguments, dict | None):
        raise RpcError(protocol.INVALID_PARAMS, "name must be a string, and arguments an object")
    seconds = max(0, int(deadline - time.monotonic()))
    result = agent_tools.call_tool(caller, name, arguments or {}, seconds)
    if result is None:
        raise RpcError(protocol.INVALID_PARAMS, f"Unknown tool {name[:100]!r}")
    return result
