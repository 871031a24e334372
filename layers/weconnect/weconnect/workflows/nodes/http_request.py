"""http_request: calls an address once for each item."""

import re
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field

from weconnect.workflows.node_sdk.field_paths import value_of
from weconnect.workflows.node_sdk.node_type import Call, Item, NodeError, NodeType, Outputs, Parameters

MAX_BODY_BYTES = 1024 * 1024
MAX_FILE_BYTES = 20 * 1024 * 1024

_TEXTS = re.compile(
    r"text/|.*[/+](x-)?(graphql|javascript|json|ndjson|www-form-urlencoded|xml|yaml)\b", re.IGNORECASE
)


class HttpRequestParameters(Parameters):
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    url: Annotated[str, Field(min_length=1, max_length=8_000)]
    """An http or https address on the public internet."""
    headers: dict[Annotated[str, Field(max_length=200)], Annotated[str, Field(max_length=8_000)]] = {}
    query: dict[str, str | int | float | bool] = {}
    """Added to the address's own query."""
    body: Any = None
    """Sent as JSON when it is an object or a list, as it stands when it is text."""
    fail_on_status: bool = True
    """Whether a status of 400 and more is an error of the node."""
    follow_redirects: bool = False
    response_format: Literal["auto", "text", "file"] = "auto"
    """`file` keeps the body as a file of the run, up to 20 MB; `auto` does so when it is neither text nor JSON."""
    timeout_seconds: Annotated[int, Field(ge=1, le=120)] = 20


def run(call: Call) -> Outputs:
    """`{"status", "headers", "body"}` for each item, a JSON body as its value; or `file` in place of `body`."""
    return {
        "main": [_answer(call, parameters, key) for parameters, _, key in call.effects(HttpRequestParameters)]
    }


def _answer(call: Call, parameters: HttpRequestParameters, key: str) -> Item:
    from weconnect.errors import UpstreamFailed
    from weconnect.outbound import client as outbound

    headers = {name.lower(): value for name, value in parameters.headers.items()}
    if parameters.method not in ("GET", "HEAD"):
        headers.setdefault("idempotency-key", key)
    text = parameters.body if isinstance(parameters.body, str) else None
    try:
        found = outbound.send(
            parameters.method,
            parameters.url,
            headers=headers,
            params=parameters.query or None,
            json=None if text is not None else parameters.body,
            content=text,
            timeout_seconds=min(parameters.timeout_seconds, call.timeout_seconds),
            max_bytes=MAX_BODY_BYTES if parameters.response_format == "text" else MAX_FILE_BYTES,
            follow_redirects=parameters.follow_redirects,
        )
    except outbound.OutboundRefused as error:
        raise NodeError("address_refused", error.detail) from error
    except UpstreamFailed as error:
        raise NodeError("unreachable", error.detail, retryable=True) from error
    if parameters.fail_on_status and found.status >= 400:
        passes = found.status == 429 or found.status >= 500
        said = found.text[:300].strip()
        raise NodeError(
            f"http_{found.status}", f"The answer's status is {found.status}: {said}", retryable=passes
        )
    return {"status": found.status, "headers": found.headers} | _body(call, parameters, key, found)


def _body(call: Call, parameters: HttpRequestParameters, key: str, found: Any) -> Item:
    kind = found.headers.get("content-type", "")
    if parameters.response_format == "file" or (
        parameters.response_format == "auto" and not _is_text(kind, found.body)
    ):
        from weconnect.executions import files

        name = _name(found.headers, found.url or parameters.url)
        return {"file": files.keep(call, key, name, kind, found.body)}
    if len(found.body) > MAX_BODY_BYTES:
        text = f"The answer has more than {MAX_BODY_BYTES >> 20} MB of text: take it with responseFormat file"
        raise NodeError("too_large", text)
    return {"body": value_of(found.text) if "json" in kind else found.text}


def _is_text(kind: str, body: bytes) -> bool:
    """Whether a body is text by its type, or, when it has none, by what it holds."""
    if kind:
        return not body or bool(_TEXTS.match(kind))
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in body


def _name(headers: dict[str, str], url: str) -> str:
    """What the answer calls its file, or the last part of the address."""
    said = headers.get("content-disposition", "")
    if found := re.search(r"filename\*=(?:UTF-8|utf-8)''([^;]+)", said):
        return unquote(found[1])
    if found := re.search(r"filename=(?:\"([^\"]*)\"|([^;\s]+))", said):
        return found[1] or found[2] or ""
    try:
        return unquote(urlsplit(url).path.rpartition("/")[2])
    except ValueError:
        return ""


NODE = NodeType(
    label="HTTP request",
    description="Calls an address once for each item and answers status, headers and body.",
    category="http",
    kind="effect",
    secrets=frozenset({"url", "headers", "query", "body"}),
    parameters=HttpRequestParameters,
    run=run,
)
