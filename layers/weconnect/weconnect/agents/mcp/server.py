"""Our side of the protocol: each POST is answered by itself, in JSON; no session, no stream.

A browser's page cannot be made to call this for somebody (what the protocol has `Origin` checked for): whoever calls
sends a token or a key in a header, and no cookie counts.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from weconnect.agents.mcp import offered_tools, protocol, workflow_tools
from weconnect.agents.mcp.protocol import Message, Refusal
from weconnect.api import request_body
from weconnect.api.caller import Caller
from weconnect.errors import BadRequest, NotAllowed

MOST_MESSAGES = 20
WAIT_SECONDS = 25
INSTRUCTIONS = (
    "Each tool runs an AI agent or a workflow of your organization. A run that is not over within 25 seconds answers "
    f"its ids; ask {offered_tools.GET_RUN} or {workflow_tools.GET_RUN} for its result."
)


@dataclass(frozen=True)
class Posted:
    """A POST's text and its headers, whose names are in lower case."""

    text: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answered:
    """An HTTP status, and the JSON to send with it; None when nothing is to be said."""

    status: int
    body: dict[str, Any] | list[dict[str, Any]] | None


def refuse_stream() -> NoReturn:
    """There is no stream to open: the protocol wants 405 for that."""
    raise NotAllowed("There is no stream here; POST messages instead", headers={"Allow": "POST"})


def answer(caller: Caller, posted: Posted) -> Answered:
    """Answer a message, or a batch of them in the one revision that has batches."""
    until = time.monotonic() + WAIT_SECONDS
    try:
        found = request_body.value(posted.text)
        if isinstance(found, list):
            return _batch(caller, found, posted.headers, until)
        return _one(caller, protocol.read(found), posted.headers, until)
    except BadRequest as error:
        return Answered(400, Refusal(protocol.PARSE_ERROR, error.detail).wire())
    except Refusal as refusal:
        return Answered(400, refusal.wire())


def _batch(caller: Caller, found: list[Any], headers: Mapping[str, str], until: float) -> Answered:
    if headers.get(protocol.VERSION_HEADER, protocol.BATCH_VERSION) != protocol.BATCH_VERSION:
        raise Refusal(protocol.INVALID_REQUEST, "Send one message; this revision has no batches")
    if not 1 <= len(found) <= MOST_MESSAGES:
        raise Refusal(protocol.INVALID_REQUEST, f"A batch takes 1 to {MOST_MESSAGES} messages")
    answers = []
    for item in found:
        try:
            message = protocol.read(item)
            if message.method == "initialize" or protocol.VERSION_KEY in message.meta:
                detail = "This request does not go into a batch"
                raise Refusal(protocol.INVALID_REQUEST, detail, request_id=message.id)
            answers.append(_one(caller, message, headers, until).body)
        except Refusal as refusal:
            answers.append(refusal.wire())
    said = [body for body in answers if isinstance(body, dict)]
    return Answered(200, said) if said else Answered(202, None)


def _one(caller: Caller, message: Message, headers: Mapping[str, str], until: float) -> Answered:
    version = headers.get(protocol.VERSION_HEADER, protocol.BATCH_VERSION)
    handshaken = version in protocol.HANDSHAKE_VERSIONS and protocol.VERSION_KEY not in message.meta
    if message.id is None:
        if not handshaken and version not in protocol.STATELESS_VERSIONS:
            raise protocol.unsupported(version, None)
        return Answered(202, None)
    try:
        if handshaken:
            return Answered(200, _result(message, _handshaken(caller, message, until)))
        if version not in protocol.SPOKEN and protocol.VERSION_KEY not in message.meta:
            raise protocol.unsupported(version, message.id)
        protocol.check_envelope(message, headers)
        return Answered(200, _result(message, _stateless(caller, message, until)))
    except Refusal as refusal:
        refusal.request_id = message.id
        status = 200 if handshaken else protocol.STATUS.get(refusal.code, 400)
        return Answered(status, refusal.wire())


def _result(message: Message, result: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": message.id, "result": result}


def _handshaken(caller: Caller, message: Message, until: float) -> dict[str, Any]:
    methods: dict[str | None, Callable[[], dict[str, Any]]] = {
        "initialize": lambda: _initialize(message),
        "ping": dict,
        "tools/list": lambda: _list(caller, message),
        "tools/call": lambda: _call(caller, message, until),
    }
    return _method(methods, message)()


def _stateless(caller: Caller, message: Message, until: float) -> dict[str, Any]:
    cached = {"ttlMs": 0, "cacheScope": "private"}
    methods: dict[str | None, Callable[[], dict[str, Any]]] = {
        "server/discover": lambda: _discover() | cached,
        "tools/list": lambda: _list(caller, message) | cached,
        "tools/call": lambda: _call(caller, message, until),
    }
    result = _method(methods, message)()
    meta = {**result.get("_meta", {}), protocol.SERVER_KEY: protocol.IMPLEMENTATION}
    return {**result, "resultType": "complete", "_meta": meta}


def _method(
    methods: dict[str | None, Callable[[], dict[str, Any]]], message: Message
) -> Callable[[], dict[str, Any]]:
    if message.method not in methods:
        raise Refusal(protocol.METHOD_NOT_FOUND, "Method not found")
    return methods[message.method]


def _initialize(message: Message) -> dict[str, Any]:
    """Agree on the client's revision if it is spoken here, else offer the newest that shakes hands."""
    asked = message.params.get("protocolVersion")
    if not isinstance(asked, str):
        raise Refusal(protocol.INVALID_PARAMS, "protocolVersion must be a text")
    agreed = asked if asked in protocol.HANDSHAKE_VERSIONS else protocol.HANDSHAKE_VERSIONS[-1]
    return {"protocolVersion": agreed, "serverInfo": protocol.IMPLEMENTATION, **_abilities()}


def _discover() -> dict[str, Any]:
    return {"supportedVersions": list(protocol.SPOKEN), **_abilities()}


def _abilities() -> dict[str, Any]:
    return {"capabilities": {"tools": {}}, "instructions": INSTRUCTIONS}


def _list(caller: Caller, message: Message) -> dict[str, Any]:
    cursor = message.params.get("cursor")
    if not isinstance(cursor, str | None):
        raise Refusal(protocol.INVALID_PARAMS, "cursor must be a text")
    try:
        tools, following = offered_tools.page(caller, cursor)
    except BadRequest as error:
        raise Refusal(protocol.INVALID_PARAMS, error.detail) from error
    return {"tools": tools} | ({"nextCursor": following} if following else {})


def _call(caller: Caller, message: Message, until: float) -> dict[str, Any]:
    name, arguments = message.params.get("name"), message.params.get("arguments")
    if not isinstance(name, str) or not isinstance(arguments, dict | None):
        raise Refusal(protocol.INVALID_PARAMS, "name must be a text, and arguments an object")
    result = offered_tools.call(caller, name, arguments or {}, max(0, int(until - time.monotonic())))
    if result is None:
        raise Refusal(protocol.INVALID_PARAMS, f"There is no tool {name[:100]!r}")
    return result
