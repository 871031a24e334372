"""The Model Context Protocol's own words: its revisions, its errors, its messages. Nothing here does anything.

Up to 2025-11-25 a client shakes hands (`initialize`); from 2026-07-28 on each request says in its `_meta` which
revision it speaks, and repeats in headers what a gateway may want to know without reading the body.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

HANDSHAKE_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
STATELESS_VERSIONS = ("2026-07-28",)
SPOKEN = (*STATELESS_VERSIONS, *reversed(HANDSHAKE_VERSIONS))
BATCH_VERSION = "2025-03-26"
"""The one revision with batches, and the one that a request without the version header speaks."""

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
HEADER_MISMATCH = -32020
UNSUPPORTED_VERSION = -32022
STATUS = {METHOD_NOT_FOUND: 404, INTERNAL_ERROR: 200}
"""The HTTP status of an error in the stateless revisions; 400 for all others."""

VERSION_HEADER, METHOD_HEADER, NAME_HEADER = "mcp-protocol-version", "mcp-method", "mcp-name"
SESSION_HEADER = "mcp-session-id"
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CLIENT_CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"
CLIENT_KEY = "io.modelcontextprotocol/clientInfo"
SERVER_KEY = "io.modelcontextprotocol/serverInfo"
IMPLEMENTATION = {"name": "weconnect", "title": "WeConnect", "version": "0.1.0"}

LONGEST_ID = 255
_WRAPPED = re.compile(r"=\?base64\?(.*)\?=")
_PLAIN = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")

Id = str | int


class Refusal(Exception):
    """A JSON-RPC error."""

    def __init__(self, code: int, message: str, data: Any = None, request_id: Id | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data, self.request_id = code, message, data, request_id

    def wire(self) -> dict[str, Any]:
        """The answer that says it."""
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
        found = self.params.get("_meta")
        return found if isinstance(found, dict) else {}


def read(value: Any) -> Message:
    """The message that a JSON value is; raises Refusal, with the id wherever there is one."""
    if not isinstance(value, dict):
        raise Refusal(INVALID_REQUEST, "A message is an object")
    given = value.get("id")
    if isinstance(given, bool) or not isinstance(given, str | int | None):
        raise Refusal(INVALID_REQUEST, "id must be a text or a whole number")
    if isinstance(given, str) and len(given) > LONGEST_ID:
        raise Refusal(INVALID_REQUEST, f"id takes {LONGEST_ID} characters")
    if value.get("jsonrpc") != "2.0":
        raise Refusal(INVALID_REQUEST, 'jsonrpc must be "2.0"', request_id=given)
    method = value.get("method")
    if method is None and ("result" in value) != ("error" in value):
        return Message(None, None, {})
    if not isinstance(method, str):
        raise Refusal(INVALID_REQUEST, "method must be a text", request_id=given)
    if "id" in value and given is None:
        raise Refusal(INVALID_REQUEST, "id must not be null")
    params = value.get("params", {})
    if not isinstance(params, dict):
        raise Refusal(INVALID_PARAMS, "params must be an object", request_id=given)
    return Message(given, method, params)


def check_envelope(message: Message, headers: Mapping[str, str]) -> None:
    """Hold a stateless request to what it must carry; raises Refusal for the first thing that is wrong."""
    missing = [key for key in (VERSION_KEY, CLIENT_CAPABILITIES_KEY) if key not in message.meta]
    if missing:
        raise Refusal(INVALID_PARAMS, f"params._meta lacks {' and '.join(missing)}", request_id=message.id)
    version = message.meta[VERSION_KEY]
    if not isinstance(version, str):
        raise Refusal(INVALID_PARAMS, f"params._meta.{VERSION_KEY} must be a text", request_id=message.id)
    expected = {VERSION_HEADER: version, METHOD_HEADER: message.method}
    if message.method == "tools/call":
        expected[NAME_HEADER] = message.params.get("name")
    for name, value in expected.items():
        if value is None or unwrapped(headers.get(name)) != value:
            detail = f"The header {name} does not say what the body says"
            raise Refusal(HEADER_MISMATCH, detail, request_id=message.id)
    if version not in STATELESS_VERSIONS:
        raise unsupported(version, message.id)


def unsupported(version: str, request_id: Id | None) -> Refusal:
    """The answer to a revision that is not spoken here."""
    data = {"supported": list(SPOKEN), "requested": version[:100]}
    return Refusal(UNSUPPORTED_VERSION, "Unsupported protocol version", data, request_id)


def wrapped(value: str) -> str:
    """A text as a header's value: in base64 when it would not survive as it stands."""
    if _PLAIN.fullmatch(value) and not _WRAPPED.fullmatch(value):
        return value
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="


def unwrapped(value: str | None) -> str | None:
    """The text that a header's value stands for; None when it is missing or malformed."""
    found = _WRAPPED.fullmatch(value or "")
    if value is None or found is None:
        return value
    try:
        text = base64.b64decode(found[1], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return text if wrapped(text) == value else None
