"""http_request: calls an address once for each item."""

import json
from typing import Annotated, Any, Literal

from pydantic import Field

from weconnect.workflows.contract import Call, Item, NodeError, NodeType, Outputs, Parameters

MAX_BODY_BYTES = 1024 * 1024


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
    timeout_seconds: Annotated[int, Field(ge=1, le=120)] = 20


def run(call: Call) -> Outputs:
    """`{"status", "headers", "body"}` for each item; a JSON body as its value."""
    effects = call.effects(HttpRequestParameters)
    return {"main": [_answer(parameters, key, call.timeout_seconds) for parameters, _, key in effects]}


def _answer(parameters: HttpRequestParameters, key: str, timeout_seconds: float) -> Item:
    from weconnect import outbound
    from weconnect.errors import UpstreamFailed

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
            timeout_seconds=min(parameters.timeout_seconds, timeout_seconds),
            max_bytes=MAX_BODY_BYTES,
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
    return {"status": found.status, "headers": found.headers, "body": _body(found.headers, found.text)}


def _body(headers: dict[str, str], text: str) -> Any:
    if "json" in headers.get("content-type", ""):
        try:
            return json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError):
            return text
    return text


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


NODE = NodeType(
    label="HTTP request",
    description="Calls an address once for each item and answers status, headers and body.",
    category="http",
    kind="effect",
    secrets=frozenset({"url", "headers", "query", "body"}),
    parameters=HttpRequestParameters,
    run=run,
)
