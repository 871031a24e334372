"""HTTP tools: the builtin `http_request`, and tools that a tenant declares with an endpoint and an API key."""

import json
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, quote, unquote, urlencode, urlsplit

from weconnect.agents.tools.credentials import api_key_header, hide_secrets
from weconnect.agents.tools.entities import AgentToolConfiguration
from weconnect.agents.tools.errors import ToolError
from weconnect.api import request_body
from weconnect.base_entity import JsonObject
from weconnect.errors import UpstreamFailed
from weconnect.hiding import hide, hide_and_cut
from weconnect.outbound.errors import HostRefused, OutboundRefused, TooManyRedirects, UpstreamTooLarge

if TYPE_CHECKING:
    from weconnect.outbound.client import OutboundResponse

NAME = "http_request"
DISPLAY_NAME = "HTTP request"
DESCRIPTION = "Calls a public web address over HTTP and returns its status, main headers and body."
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
        "body": {"description": "Sent as JSON when it is an object or a list, unchanged when it is text"},
    },
    "required": ["url"],
    "additionalProperties": False,
}

TIMEOUT_SECONDS = 20
MAX_TEXT_BYTES = 16 * 1024
MAX_JSON_BYTES = 64 * 1024
MAX_ERROR_CHARACTERS = 300

_SHOWN_HEADERS = ("content-type", "etag", "last-modified", "link", "location", "retry-after", "x-request-id")
_METHODS_WITHOUT_BODY = ("GET", "HEAD", "DELETE")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][\w.-]*)\}")
_MAX_PAUSE_SECONDS = 10.0

sleep = time.sleep


class _UnreachableError(ToolError):
    """No usable response came back; a retry may bring one."""


def run(
    arguments: JsonObject, *, timeout_seconds: float = TIMEOUT_SECONDS, idempotency_key: str | None = None
) -> JsonObject:
    """Send one request and return `{"status", "headers", "body"}`, whatever the status. Raises ToolError."""
    url, headers = arguments.get("url"), arguments.get("headers") or {}
    if not isinstance(url, str):
        raise ToolError("url must be an address, for example https://example.com/")
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise ToolError("headers must be an object of strings")
    method = str(arguments.get("method") or "GET").upper()
    if idempotency_key and method not in ("GET", "HEAD"):
        headers = {"idempotency-key": idempotency_key} | {name.lower(): headers[name] for name in headers}
    return _to_result(_send(method, url, headers, arguments.get("body"), timeout_seconds))


def call_endpoint(
    configuration: AgentToolConfiguration,
    input_schema: Mapping[str, Any] | None,
    arguments: Mapping[str, Any],
    *,
    api_key: str | None,
    idempotency_key: str,
) -> JsonObject:
    """Call a declared tool's `apiEndpoint` and return `{"status", "headers", "body"}`.

    `{name}` in the endpoint, in `headers` and in `query` is replaced by the argument. The other arguments go into the
    query of GET, HEAD and DELETE, and otherwise into the body, beside the tool's own `body`: as JSON, or as a form if
    `bodyFormat` is `form`. Connection errors, 429 and 5xx are retried `retryCount` times, all under one
    Idempotency-Key. Raises ToolError for any status but 2xx. Results and errors contain no secret.
    """
    with hide_secrets(configuration, api_key).active():
        try:
            return _call_endpoint(configuration, input_schema, arguments, api_key, idempotency_key)
        except ToolError as error:
            raise ToolError(hide(str(error))) from None


def _call_endpoint(
    configuration: AgentToolConfiguration,
    input_schema: Mapping[str, Any] | None,
    arguments: Mapping[str, Any],
    api_key: str | None,
    idempotency_key: str,
) -> JsonObject:
    """Call the endpoint as `call_endpoint` does; errors may still contain secrets."""
    template = configuration.api_endpoint or ""
    parameters = configuration.parameters or {}
    method = str(parameters.get("method") or "GET").upper()
    headers = {name.lower(): str(value) for name, value in _require_object(parameters, "headers").items()}
    query = _require_object(parameters, "query")
    values = _with_defaults(input_schema, arguments)
    declared = set((input_schema or {}).get("properties") or {})
    url, rest = _fill_endpoint(template, values)
    used = (_find_placeholders(headers) | _find_placeholders(query)) & declared
    used |= query.keys() if method in _METHODS_WITHOUT_BODY else set()
    rest = {name: value for name, value in rest.items() if name not in used}
    filled_headers, query = (_fill(texts, values, declared) for texts in (headers, query))
    all_headers = {name: _to_text(value) for name, value in filled_headers.items()}
    all_headers |= api_key_header(parameters, api_key) | {"idempotency-key": idempotency_key}
    if method in _METHODS_WITHOUT_BODY:
        url = _with_query(url, query, rest)
        return _send_with_retries(method, url, all_headers, None, configuration)
    body: Any = rest | _require_object(parameters, "body")
    if parameters.get("bodyFormat") == "form":
        all_headers.setdefault("content-type", "application/x-www-form-urlencoded")
        body = _encode_form([(name, item) for name, value in body.items() for item in _to_texts(value)])
    return _send_with_retries(method, _with_query(url, query, {}), all_headers, body, configuration)


def check_endpoint(template: str) -> SplitResult:
    """Return the parts of an endpoint. Raises ToolError for one that cannot be called."""
    parts = _split(template)
    if parts.scheme not in ("http", "https") or not parts.netloc or _PLACEHOLDER.search(parts.netloc):
        raise ToolError("The tool's apiEndpoint must name its host: https://api.example.com/things/{id}")
    return parts


# Sending


def _send_with_retries(
    method: str,
    url: str,
    headers: dict[str, str],
    body: Any,
    configuration: AgentToolConfiguration,
) -> JsonObject:
    """Send a request and return its result; retries connection errors, 429 and 5xx. Raises ToolError."""
    timeout_seconds = float(configuration.timeout or TIMEOUT_SECONDS)
    retries = configuration.retry_count or 0
    for attempt in range(retries + 1):
        pause = min(0.5 * 2**attempt, _MAX_PAUSE_SECONDS)
        try:
            response = _send(method, url, headers, body, timeout_seconds)
        except _UnreachableError:
            if attempt == retries:
                raise
        else:
            if 200 <= response.status < 300:
                return _to_result(response)
            if attempt == retries or not (response.status == 429 or response.status >= 500):
                text = hide_and_cut(response.text, MAX_ERROR_CHARACTERS).strip()
                raise ToolError(f"{urlsplit(url).hostname} responded with status {response.status}: {text}")
            retry_after = response.headers.get("retry-after", "")
            pause = min(float(retry_after), _MAX_PAUSE_SECONDS) if retry_after.isdecimal() else pause
        sleep(pause)
    raise AssertionError("the last attempt returns or raises")


def _send(
    method: str, url: str, headers: Mapping[str, str], body: Any, timeout_seconds: float
) -> "OutboundResponse":
    """Send a request once and return any response. Raises ToolError; _UnreachableError where a retry may help."""
    from weconnect.outbound import client as outbound  # cold start

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
    except OutboundRefused as error:
        raise (_UnreachableError if isinstance(error, HostRefused) else ToolError)(error.detail) from None
    except UpstreamFailed as error:
        is_permanent = isinstance(error, UpstreamTooLarge | TooManyRedirects)
        raise (ToolError if is_permanent else _UnreachableError)(error.detail) from None


def _to_result(response: "OutboundResponse") -> JsonObject:
    """Return `{"status", "headers", "body"}` of a response, with secrets masked."""
    headers = {name: response.headers[name] for name in _SHOWN_HEADERS if name in response.headers}
    result = {"status": response.status, "headers": headers, "body": _to_body(response)}
    return {name: hide(value) for name, value in result.items()}


def _to_body(response: "OutboundResponse") -> Any:
    """Return JSON as its value, other text without secrets, cut to 16 KB."""
    if len(response.body) <= MAX_JSON_BYTES:
        try:
            value = response.json()
        except UpstreamFailed:
            pass
        else:
            if not request_body.is_too_deep(value):
                return value
    if b"\0" in response.body:
        return f"({len(response.body)} bytes that are not text)"
    text = str(hide(response.text)).encode(errors="replace")
    return text[:MAX_TEXT_BYTES].decode(errors="ignore")


# The request of a declared tool


def _with_defaults(input_schema: Mapping[str, Any] | None, arguments: Mapping[str, Any]) -> JsonObject:
    """Return the arguments, completed by the defaults of the schema and without nulls."""
    properties = (input_schema or {}).get("properties") or {}
    defaults = {
        name: schema["default"]
        for name, schema in properties.items()
        if isinstance(schema, Mapping) and "default" in schema
    }
    return {name: value for name, value in (defaults | dict(arguments)).items() if value is not None}


def _require_object(holder: Mapping[str, Any], name: str) -> JsonObject:
    """Return a copy of the object under a name, by default empty. Raises ToolError for another value."""
    value = holder.get(name) or {}
    if not isinstance(value, Mapping):
        raise ToolError(f"The tool's {name} must be an object")
    return dict(value)


def _fill_endpoint(template: str, values: JsonObject) -> tuple[str, JsonObject]:
    """Return the endpoint with its placeholders filled, and the arguments that it does not use."""
    parts = check_endpoint(template)
    used: set[str] = set()

    def fill(match: re.Match[str]) -> str:
        """Return the argument of a placeholder, percent-encoded. Raises ToolError for a missing or unsuitable one."""
        name = match[1]
        used.add(name)
        if name not in values:
            raise ToolError(f"The argument {name} is missing")
        text = _to_text(values[name])
        if isinstance(values[name], dict | list) or not text:
            raise ToolError(
                f"The argument {name} is part of the address: it must be a non-empty string or a number"
            )
        return _quote(text)

    url = _PLACEHOLDER.sub(fill, template)
    filled = _split(url)
    if (filled.scheme, filled.netloc) != (parts.scheme, parts.netloc):
        raise ToolError("An argument may not change the host")
    before, after = parts.path.split("/"), filled.path.split("/")
    if len(before) != len(after) or any(
        _is_dot_segment(new) for old, new in zip(before, after, strict=True) if old != new
    ):
        raise ToolError("An argument may not change the path outside of its placeholder")
    return url, {name: value for name, value in values.items() if name not in used}


def _find_placeholders(texts: JsonObject) -> set[str]:
    """Return the names of the placeholders `{name}` in the texts."""
    return {name for text in texts.values() if isinstance(text, str) for name in _PLACEHOLDER.findall(text)}


def _fill(texts: JsonObject, values: JsonObject, declared: set[str]) -> JsonObject:
    """Return the tool's texts with their placeholders filled; one whose argument is missing is left out.

    Braces around a name that is not `declared` in the input schema stay as they are.
    """

    def fill(match: re.Match[str]) -> str:
        """Return the argument of a declared placeholder as text. Raises ToolError for an object or a list."""
        name = match[1]
        if name not in declared:
            return match[0]
        if isinstance(values[name], dict | list):
            raise ToolError(
                f"The argument {name} is part of a header or the query: it must be a string or a number"
            )
        return _to_text(values[name])

    return {
        name: _PLACEHOLDER.sub(fill, text) if isinstance(text, str) else text
        for name, text in texts.items()
        if not (_find_placeholders({name: text}) & declared) - values.keys()
    }


def _with_query(url: str, query: JsonObject, rest: JsonObject) -> str:
    """Add the query to a URL; an argument cannot repeat a parameter that the tool's owner has set."""
    base, _, _ = url.partition("#")
    path, _, own = base.partition("?")
    own_names = {unquote(pair.partition("=")[0].replace("+", " ")) for pair in own.split("&") if pair}
    pairs = [(name, item) for name, value in query.items() for item in _to_texts(value)]
    pairs += [
        (name, item)
        for name, value in rest.items()
        if name not in own_names and name not in query
        for item in _to_texts(value)
    ]
    all_pairs = "&".join(part for part in (own, _encode_form(pairs)) if part)
    return f"{path}?{all_pairs}" if all_pairs else path


def _encode_form(pairs: list[tuple[str, str]]) -> str:
    """Return the pairs as `a=1&b=2`, percent-encoded. Raises ToolError for a lone surrogate."""
    try:
        return urlencode(pairs, quote_via=quote)
    except UnicodeError:
        raise _build_surrogate_error() from None


def _to_texts(value: Any) -> list[str]:
    """Return the text of each item of a list, or of the one value."""
    return [_to_text(item) for item in value] if isinstance(value, list) else [_to_text(value)]


def _to_text(value: Any) -> str:
    """Return a text unchanged, any other value as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _quote(text: str) -> str:
    """Return a text percent-encoded, slashes too. Raises ToolError for a lone surrogate."""
    try:
        return quote(text, safe="")
    except UnicodeError:
        raise _build_surrogate_error() from None


def _build_surrogate_error() -> ToolError:
    """Return the error for an argument with a lone surrogate."""
    return ToolError("An argument contains half of a surrogate pair, which is not a character")


def _is_dot_segment(segment: str) -> bool:
    """Return whether a segment of a path, once decoded, is `.` or `..`."""
    return unquote(segment) in (".", "..")


def _split(url: str) -> SplitResult:
    """Return the parts of a URL. Raises ToolError for an invalid one."""
    try:
        return urlsplit(url)
    except ValueError:
        raise ToolError("The tool's apiEndpoint is not a valid address") from None
