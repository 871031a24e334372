"""The Model Context Protocol: its revisions, its error codes and its messages.

Up to revision 2025-11-25 a client begins with a handshake (`initialize`). From 2026-07-28 on each request names its
revision in `_meta`, and repeats in headers what a gateway may want to know without reading the body.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from weconnect.version import VERSION

HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
STATELESS_VERSIONS = ("2026-07-28",)
SUPPORTED_VERSIONS = (*STATELESS_VERSIONS, *reversed(HANDSHAKE_VERSIONS))
BATCH_VERSION = "2025-03-26"
"""The only revision with batches, and the one of a request without a version header."""

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
HEADER_MISMATCH = -32020
UNSUPPORTED_VERSION = -32022
STATUS_BY_CODE = {METHOD_NOT_FOUND: 404, INTERNAL_ERROR: 200}
"""The HTTP status of an error in the stateless revisions; 400 for all others."""

VERSION_HEADER, METHOD_HEADER, NAME_HEADER = "mcp-protocol-version", "mcp-method", "mcp-name"
SESSION_HEADER = "mcp-session-id"
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CLIENT_CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
CLIENT_KEY = "io.modelcontextprotocol/clientInfo"
SERVER_KEY = "io.modelcontextprotocol/serverInfo"
IMPLEMENTATION = {"name": "weconnect", "title": "WeConnect", "version": VERSION}

MAX_ID_LENGTH = 255
_ENCODED = re.compile(r"=\?base64\?(.*)\?=")
_PLAIN = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")

Id = str | int


class RpcError(Exception):
    """A JSON-RPC error."""

    def __init__(self, code: int, message: str, data: Any = None, request_id: Id | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data, self.request_id = code, message, data, request_id

    def to_json(self) -> dict[str, Any]:
        """Return the JSON-RPC error response."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.data is not None:
            error["data"] = self.data
        return {"jsonrpc": "2.0", "id": self.request_id, "error": error}


@dataclass(frozen=True)
class Message:
    """A request (`id` and `method`), a notification (`method` alone) or a response (neither)."""

    id: Id | None
    method: str | None
    params: dict[str, Any]

    @property
    def meta(self) -> dict[str, Any]:
        """The `_meta` of the parameters; empty when it is missing or malformed."""
        meta = self.params.get("_meta")
        return meta if isinstance(meta, dict) else {}


def parse_message(value: Any) -> Message:
    """Return the message of a JSON value. Raises RpcError, with the request's id if it has one."""
    if not isinstance(value, dict):
        raise RpcError(INVALID_REQUEST, "A message must be an object")
    request_id = value.get("id")
    if isinstance(request_id, bool) or not isinstance(request_id, str | int | None):
        raise RpcError(INVALID_REQUEST, "id must be a string or an integer")
    if isinstance(request_id, str) and len(request_id) > MAX_ID_LENGTH:
        raise RpcError(INVALID_REQUEST, f"id must not exceed {MAX_ID_LENGTH} characters")
    if value.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, 'jsonrpc must be "2.0"', request_id=request_id)
    method = value.get("method")
    if method is None and ("result" in value) != ("error" in value):
        return Message(None, None, {})
    if not isinstance(method, str):
        raise RpcError(INVALID_REQUEST, "method must be a string", request_id=request_id)
    if "id" in value and request_id is None:
        raise RpcError(INVALID_REQUEST, "id must not be null")
    params = value.get("params", {})
    if not isinstance(params, dict):
        raise RpcError(INVALID_PARAMS, "params must be an object", request_id=request_id)
    return Message(request_id, method, params)


def check_envelope(message: Message, headers: Mapping[str, str]) -> None:
    """Check the `_meta` and the headers of a stateless request. Raises RpcError for the first mistake."""
    missing = [key for key in (VERSION_KEY, CLIENT_CAPABILITIES_KEY) if key not in message.meta]
    if missing:
        raise RpcError(INVALID_PARAMS, f"params._meta lacks {' and '.join(missing)}", request_id=message.id)
    version = message.meta[VERSION_KEY]
    if not isinstance(version, str):
        raise RpcError(INVALID_PARAMS, f"params._meta.{VERSION_KEY} must be a string", request_id=message.id)
    expected = {VERSION_HEADER: version, METHOD_HEADER: message.method}
    if message.method == "tools/call":
        expected[NAME_HEADER] = message.params.get("name")
    for name, value in expected.items():
        if value is None or decode_header(headers.get(name)) != value:
            detail = f"The header {name} does not match the body"
            raise RpcError(HEADER_MISMATCH, detail, request_id=message.id)
    if version not in STATELESS_VERSIONS:
        raise unsupported_version(version, message.id)


def unsupported_version(version: str, request_id: Id | None) -> RpcError:
    """Return the error for a revision that is not supported."""
    data = {"supported": list(SUPPORTED_VERSIONS), "requested": version[:100]}
    return RpcError(UNSUPPORTED_VERSION, "Unsupported protocol version", data, request_id)


def encode_header(value: str) -> str:
    """Return a text as a header value: in base64 unless it consists of printable ASCII."""
    if _PLAIN.fullmatch(value) and not _ENCODED.fullmatch(value):
        return value
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="


def decode_header(value: str | None) -> str | None:
    """Return the text of a header value; None when it is missing or malformed."""
    match = _ENCODED.fullmatch(value or "")
    if value is None or match is None:
        return value
    try:
        text = base64.b64decode(match[1], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return text if encode_header(text) == value else None
