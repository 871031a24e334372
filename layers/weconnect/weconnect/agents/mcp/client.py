"""The other end: ask a server of the Model Context Protocol for its tools, and call one.

Everything goes through the guarded client, in one time for all requests of an errand. A server that knows the stateless
revision is asked without ado; any other gets its handshake first.
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
from weconnect.errors import Problem, UpstreamFailed

MAX_BYTES = 2 * 1024 * 1024
MAX_PAGES = 20
GOODBYE_SECONDS = 2.0


class _Refused(ToolError):
    """The server answered, but not with a result."""


@dataclass
class Remote:
    """A server, and the time by which all must be over; `version` is None until it is known."""

    endpoint: str
    headers: dict[str, str]
    seconds: float
    version: str | None = None
    session: str | None = None
    until: float = field(init=False)

    def __post_init__(self) -> None:
        self.until = time.monotonic() + self.seconds

    @property
    def host(self) -> str:
        return urlsplit(self.endpoint).hostname or "the server"


def list_tools(remote: Remote) -> list[dict[str, Any]]:
    """All tools, as the server describes them; finds out the revision. Raises ToolError."""
    _greet(remote)
    try:
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            result = _ask(remote, "tools/list", {"cursor": cursor} if cursor else {})
            tools, cursor = result.get("tools"), result.get("nextCursor")
            if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
                raise ToolError(f"{remote.host} answered no list of tools")
            found += tools
            if not isinstance(cursor, str) or not cursor:
                return found
        raise ToolError(f"{remote.host} lists its tools in more than {MAX_PAGES} pages")
    finally:
        _part(remote)


def call_tool(
    remote: Remote, name: str, arguments: dict[str, Any], copied: dict[str, str], key: str
) -> dict[str, Any]:
    """The result of a tool. `copied` are headers that the server wants of arguments; `key` is the same at a retry."""
    if remote.version not in protocol.STATELESS_VERSIONS:
        _shake_hands(remote)
    try:
        params = {"name": name, "arguments": arguments, "_meta": {"weconnect/idempotencyKey": key}}
        headers = {"idempotency-key": key, protocol.NAME_HEADER: protocol.wrapped(name), **copied}
        result = _ask(remote, "tools/call", params, headers)
    finally:
        _part(remote)
    if result.get("resultType", "complete") != "complete":
        raise ToolError(f"{remote.host} asks for more than the arguments, which an agent cannot give")
    return result


def copied_headers(schema: dict[str, Any], arguments: Any) -> dict[str, str]:
    """Arguments that a server wants repeated in headers: properties with `x-mcp-header`, at any depth."""
    found: dict[str, str] = {}
    properties = schema.get("properties")
    for name, part in properties.items() if isinstance(properties, dict) else ():
        value = arguments.get(name) if isinstance(arguments, dict) else None
        if not isinstance(part, dict) or value is None:
            continue
        header = part.get("x-mcp-header")
        if isinstance(header, str) and header.isascii() and isinstance(value, str | bool | int):
            text = value if isinstance(value, str) else json.dumps(value)
            found[f"mcp-param-{header.lower()}"] = protocol.wrapped(text)
        found |= copied_headers(part, value)
    return found


def _greet(remote: Remote) -> None:
    """Find out which revision the server speaks."""
    remote.version = protocol.STATELESS_VERSIONS[-1]
    try:
        spoken = _ask(remote, "server/discover", {}).get("supportedVersions")
        if isinstance(spoken, list) and remote.version in spoken:
            return
    except _Refused:
        pass  # not known there; what does not answer at all is another matter
    _shake_hands(remote)


def _shake_hands(remote: Remote) -> None:
    remote.version = None
    params = {
        "protocolVersion": protocol.HANDSHAKE_VERSIONS[-1],
        "capabilities": {},
        "clientInfo": protocol.IMPLEMENTATION,
    }
    agreed = _ask(remote, "initialize", params).get("protocolVersion")
    if agreed not in protocol.HANDSHAKE_VERSIONS:
        raise ToolError(f"{remote.host} speaks a revision that is not spoken here: {str(agreed)[:40]}")
    remote.version = str(agreed)
    _post(remote, {"jsonrpc": "2.0", "method": "notifications/initialized"}, {})


def _part(remote: Remote) -> None:
    """End the session, if the server keeps one; whether it hears of it changes nothing for us."""
    if remote.session is None:
        return
    from weconnect.outbound import client as outbound

    headers = {**remote.headers, **_own_headers(remote)}
    seconds = min(GOODBYE_SECONDS, max(0.1, remote.until - time.monotonic()))
    with suppress(Problem):
        outbound.send(
            "DELETE", remote.endpoint, headers=headers, timeout_seconds=seconds, max_bytes=MAX_BYTES
        )
    remote.session = None


def _own_headers(remote: Remote) -> dict[str, str]:
    found = {protocol.VERSION_HEADER: remote.version, protocol.SESSION_HEADER: remote.session}
    return {name: value for name, value in found.items() if value is not None}


def _ask(
    remote: Remote, method: str, params: dict[str, Any], headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """The result of a request; raises _Refused for an error of the server's, ToolError for no answer."""
    if remote.version in protocol.STATELESS_VERSIONS:
        meta = {
            protocol.VERSION_KEY: remote.version,
            protocol.CLIENT_CAPABILITIES_KEY: {},
            protocol.CLIENT_KEY: protocol.IMPLEMENTATION,
        }
        params = {**params, "_meta": {**params.get("_meta", {}), **meta}}
        headers = {**(headers or {}), protocol.METHOD_HEADER: method}
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answer = _post(remote, message, headers or {})
    if not isinstance(answer, dict):
        raise _Refused(f"{remote.host} answered nothing to {method}")
    if isinstance(answer.get("error"), dict):
        said = str(answer["error"].get("message"))[:300]
        raise _Refused(f"{remote.host} refused {method}: {said}")
    if not isinstance(answer.get("result"), dict):
        raise _Refused(f"{remote.host} answered {method} with no result")
    return answer["result"]  # type: ignore[no-any-return]


def _post(remote: Remote, message: dict[str, Any], headers: dict[str, str]) -> Any:
    """What the server answers to a message: in JSON, or the first fitting event of a stream."""
    from weconnect.outbound import (
        client as outbound,  # httpx2 is not cheap, and most agents have no such tool
    )

    left = remote.until - time.monotonic()
    if left <= 0:
        raise ToolError(f"{remote.host} did not answer in time")
    sent = {
        **remote.headers,
        **headers,
        **_own_headers(remote),
        "accept": "application/json, text/event-stream",
        "content-type": "application/json",
    }
    try:
        with outbound.stream(
            "POST", remote.endpoint, headers=sent, json=message, timeout_seconds=left, max_bytes=MAX_BYTES
        ) as response:
            remote.session = response.headers.get(protocol.SESSION_HEADER, remote.session)
            status, kind = response.status_code, response.headers.get("content-type", "").lower()
            if status in (401, 403) or 300 <= status < 400 or status >= 500:
                what = "redirects, which is not followed" if 300 <= status < 400 else f"answered {status}"
                raise ToolError(f"{remote.host} {what}")
            if "id" not in message:
                return None
            if kind.startswith("text/event-stream"):
                return _first(remote, message["id"], response.iter_bytes())
            body = b"".join(response.iter_bytes())
    except outbound.OutboundRefused as error:
        raise ToolError(error.detail) from None
    except UpstreamFailed as error:
        raise ToolError(error.detail) from None
    try:
        return outbound.OutboundResponse(status, {}, body, remote.endpoint).json()
    except UpstreamFailed:
        said = f"{remote.host} answered {status}, and not in JSON"
        raise (_Refused if status >= 400 else ToolError)(said) from None


def _first(remote: Remote, request_id: int, pieces: Iterator[bytes]) -> Any:
    """The answer among a stream's events; the rest of the stream is left where it is."""
    from weconnect.outbound import client as outbound

    for data in _events(pieces):
        try:
            found = outbound.OutboundResponse(200, {}, data, remote.endpoint).json()
        except UpstreamFailed:
            raise ToolError(f"{remote.host} sent an event that is not JSON") from None
        if isinstance(found, dict) and found.get("id") == request_id and "method" not in found:
            return found
    raise ToolError(f"{remote.host} ended its stream without an answer")


def _events(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The data of server-sent events."""
    rest, data = b"", []
    for piece in pieces:
        *lines, rest = (rest + piece).replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" "))
            elif not line.strip(b"\r") and data:
                yield b"\n".join(data)
                data = []
    if data:
        yield b"\n".join(data)
