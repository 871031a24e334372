"""HTTP as a tool: the builtin `http_request`, and tools that a tenant declares with an endpoint and a key."""

import json
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from weconnect.agents.tools.credentials import hidden, key_header, secrets_in
from weconnect.agents.tools.errors import ToolError
from weconnect.api import request_body

NAME = "http_request"
DISPLAY_NAME = "HTTP request"
DESCRIPTION = "Calls a public web address over HTTP and answers its status, main headers and body."
INPUT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "url": {"type": "string", "description": "An http or https address", "maxLength": 8000},
        "method": {
            "type": "string",
            "enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            "default": "GET",
        },
        "headers": {"type": "object", "additionalProperties": {"type": "string"}},
        "body": {"description": "Sent as JSON when it is an object or a list, as it stands when it is text"},
    },
    "required": ["url"],
    "additionalProperties": False,
}

TIMEOUT_SECONDS = 20
TEXT_BYTES = 16 * 1024
JSON_BYTES = 64 * 1024
ERROR_CHARACTERS = 300

_SHOWN_HEADERS = ("content-type", "etag", "last-modified", "link", "location", "retry-after", "x-request-id")
_WITHOUT_BODY = ("GET", "HEAD", "DELETE")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][\w.-]*)\}")
_LONGEST_PAUSE = 10.0

sleep = time.sleep


def run(
    arguments: dict[str, Any], *, timeout_seconds: float = TIMEOUT_SECONDS, idempotency_key: str | None = None
) -> dict[str, Any]:
    """Make one request; answers `{"status", "headers", "body"}` whatever the status."""
    url, headers = arguments.get("url"), arguments.get("headers") or {}
    if not isinstance(url, str):
        raise ToolError("url must be an address, for example https://example.com/")
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise ToolError("headers must be an object of texts")
    method = str(arguments.get("method") or "GET").upper()
    if idempotency_key and method not in ("GET", "HEAD"):
        headers = {"idempotency-key": idempotency_key} | {name.lower(): headers[name] for name in headers}
    return _answer(_send(method, url, headers, arguments.get("body"), timeout_seconds), [])


def call_declared(
    configuration: Mapping[str, Any],
    input_schema: Mapping[str, Any] | None,
    arguments: Mapping[str, Any],
    *,
    api_key: str | None,
    idempotency_key: str,
) -> dict[str, Any]:
    """Call a declared tool's `apiEndpoint`; answers `{"status", "headers", "body"}`.

    `{name}` in the endpoint, in `headers` and in `query` is filled from the arguments; the others go into the query of
    GET, HEAD and DELETE, and into the body otherwise, beside the owner's `body`: as JSON, or as a form where
    `bodyFormat` says so. Connection errors, 429 and 5xx are tried `retryCount` times again, all under one
    Idempotency-Key. Raises ToolError for any status but 2xx. Answers and errors hold no secret.
    """
    template = str(configuration.get("apiEndpoint") or "")
    parameters = _object(configuration, "parameters")
    method = str(parameters.get("method") or "GET").upper()
    headers = {name.lower(): str(value) for name, value in _object(parameters, "headers").items()}
    fixed = _object(parameters, "query")
    secrets = secrets_in(api_key, [*headers.items(), *fixed.items(), *parse_qsl(template.partition("?")[2])])
    try:
        values = _with_defaults(input_schema, arguments)
        known = set((input_schema or {}).get("properties") or {})
        url, rest = _fill(template, values)
        filled_headers, filled_query = (_filled(texts, values, known) for texts in (headers, fixed))
        taken = (_places(headers) | _places(fixed)) & known
        taken |= fixed.keys() if method in _WITHOUT_BODY else set()
        rest = {name: value for name, value in rest.items() if name not in taken}
        sent = {name: _text(value) for name, value in filled_headers.items()} | key_header(
            parameters, api_key
        )
        sent["idempotency-key"] = idempotency_key
        if method in _WITHOUT_BODY:
            return _tried(method, _with_query(url, filled_query, rest), sent, None, configuration, secrets)
        body: Any = rest | _object(parameters, "body")
        if parameters.get("bodyFormat") == "form":
            sent.setdefault("content-type", "application/x-www-form-urlencoded")
            body = _form([(name, item) for name, value in body.items() for item in _items(value)])
        return _tried(method, _with_query(url, filled_query, {}), sent, body, configuration, secrets)
    except ToolError as error:
        raise ToolError(hidden(str(error), secrets)) from None


def _tried(
    method: str,
    url: str,
    headers: dict[str, str],
    body: Any,
    configuration: Mapping[str, Any],
    secrets: list[str],
) -> dict[str, Any]:
    timeout_seconds = float(configuration.get("timeout") or TIMEOUT_SECONDS)
    retries = int(configuration.get("retryCount") or 0)
    for attempt in range(retries + 1):
        pause = min(0.5 * 2**attempt, _LONGEST_PAUSE)
        try:
            found = _send(method, url, headers, body, timeout_seconds)
        except _UnreachableError:
            if attempt == retries:
                raise
        else:
            if 200 <= found.status < 300:
                return _answer(found, secrets)
            if attempt == retries or not (found.status == 429 or found.status >= 500):
                said = hidden(found.text, secrets)[:ERROR_CHARACTERS].strip()
                raise ToolError(f"{urlsplit(url).hostname} answered {found.status}: {said}")
            after = found.headers.get("retry-after", "")
            pause = min(float(after), _LONGEST_PAUSE) if after.isdecimal() else pause
        sleep(pause)
    raise AssertionError("the last attempt answers or raises")


class _UnreachableError(ToolError):
    """Nothing usable came back; it may the next time."""


def _send(method: str, url: str, headers: Mapping[str, str], body: Any, timeout_seconds: float) -> Any:
    from weconnect.errors import UpstreamFailed
    from weconnect.outbound import (
        client as outbound,  # httpx2 is not cheap, and most agents have no such tool
    )

    content = body if isinstance(body, str) else None
    try:
        return outbound.send(
            method,
            url,
            headers=headers,
            json=None if isinstance(body, str) else body,
            content=content,
            timeout_seconds=timeout_seconds,
            max_bytes=2 * 1024 * 1024,
            follow_redirects=True,
        )
    except outbound.OutboundRefused as error:
        raise ToolError(error.detail) from None
    except UpstreamFailed as error:
        lasting = error.code in ("upstream_too_large", "too_many_redirects")
        raise (ToolError if lasting else _UnreachableError)(error.detail) from None


def _answer(found: Any, secrets: list[str]) -> dict[str, Any]:
    headers = {name: found.headers[name] for name in _SHOWN_HEADERS if name in found.headers}
    answer = {"status": found.status, "headers": headers, "body": _body(found, secrets)}
    return {name: hidden(value, secrets) for name, value in answer.items()}


def _body(found: Any, secrets: list[str]) -> Any:
    """JSON as its value, other text cut to 16 KB (after secrets are gone, so that no half of one stays)."""
    from weconnect.errors import UpstreamFailed

    if len(found.body) <= JSON_BYTES:
        try:
            value = found.json()
        except UpstreamFailed:
            pass
        else:
            if not request_body.is_deep(value):
                return value
    if b"\0" in found.body:
        return f"({len(found.body)} bytes that are not text)"
    text = str(hidden(found.text, secrets)).encode(errors="replace")
    return text[:TEXT_BYTES].decode(errors="ignore")


# The request of a declared tool


def _with_defaults(input_schema: Mapping[str, Any] | None, arguments: Mapping[str, Any]) -> dict[str, Any]:
    properties = (input_schema or {}).get("properties") or {}
    defaults = {
        name: schema["default"]
        for name, schema in properties.items()
        if isinstance(schema, Mapping) and "default" in schema
    }
    return {name: value for name, value in (defaults | dict(arguments)).items() if value is not None}


def _object(holder: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = holder.get(name) or {}
    if not isinstance(value, Mapping):
        raise ToolError(f"The tool's {name} must be an object")
    return dict(value)


def check_endpoint(template: str) -> Any:
    """The parts of an endpoint; raises ToolError when it could never be called."""
    parts = _split(template)
    if parts.scheme not in ("http", "https") or not parts.netloc or _PLACEHOLDER.search(parts.netloc):
        raise ToolError("The tool's apiEndpoint must name its host: https://api.example.com/things/{id}")
    return parts


def _fill(template: str, values: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The endpoint with its placeholders filled, and the arguments that it did not take."""
    parts = check_endpoint(template)
    taken: set[str] = set()

    def value(match: re.Match[str]) -> str:
        name = match[1]
        taken.add(name)
        if name not in values:
            raise ToolError(f"The argument {name} is missing")
        text = _text(values[name])
        if isinstance(values[name], dict | list) or not text:
            raise ToolError(
                f"The argument {name} stands in the address and must be a text or a number, not empty"
            )
        return _quoted(text)

    url = _PLACEHOLDER.sub(value, template)
    filled = _split(url)
    if (filled.scheme, filled.netloc) != (parts.scheme, parts.netloc):
        raise ToolError("An argument may not change the host")
    before, after = parts.path.split("/"), filled.path.split("/")
    if len(before) != len(after) or any(
        _is_step(new) for old, new in zip(before, after, strict=True) if old != new
    ):
        raise ToolError("An argument may not change the path beyond its own place")
    return url, {name: value for name, value in values.items() if name not in taken}


def _places(texts: dict[str, Any]) -> set[str]:
    return {name for text in texts.values() if isinstance(text, str) for name in _PLACEHOLDER.findall(text)}


def _filled(texts: dict[str, Any], values: dict[str, Any], known: set[str]) -> dict[str, Any]:
    """The owner's texts with the arguments in their places; one whose argument was not given is left out.

    Braces around what is no parameter stay as they are.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in known:
            return match[0]
        if isinstance(values[match[1]], dict | list):
            raise ToolError(
                f"The argument {match[1]} stands in a header or the query and must be a text or a number"
            )
        return _text(values[match[1]])

    return {
        name: _PLACEHOLDER.sub(value, text) if isinstance(text, str) else text
        for name, text in texts.items()
        if not (_places({name: text}) & known) - values.keys()
    }


def _with_query(url: str, fixed: dict[str, Any], rest: dict[str, Any]) -> str:
    """Add the query; what the tool's owner has fixed cannot be given a second time by an argument."""
    base, _, _ = url.partition("#")
    path, _, own = base.partition("?")
    names = {unquote(pair.partition("=")[0].replace("+", " ")) for pair in own.split("&") if pair}
    pairs = [(name, item) for name, value in fixed.items() for item in _items(value)]
    pairs += [
        (name, item)
        for name, value in rest.items()
        if name not in names and name not in fixed
        for item in _items(value)
    ]
    query = "&".join(part for part in (own, _form(pairs)) if part)
    return f"{path}?{query}" if query else path


def _form(pairs: list[tuple[str, str]]) -> str:
    try:
        return urlencode(pairs, quote_via=quote)
    except UnicodeError:
        raise ToolError("An argument holds half a surrogate pair, which is no character") from None


def _items(value: Any) -> list[str]:
    return [_text(item) for item in value] if isinstance(value, list) else [_text(value)]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _quoted(text: str) -> str:
    try:
        return quote(text, safe="")
    except UnicodeError:
        raise ToolError("An argument holds half a surrogate pair, which is no character") from None


def _is_step(segment: str) -> bool:
    return unquote(segment) in (".", "..")


def _split(url: str) -> Any:
    try:
        return urlsplit(url)
    except ValueError:
        raise ToolError("The tool's apiEndpoint is not an address") from None
