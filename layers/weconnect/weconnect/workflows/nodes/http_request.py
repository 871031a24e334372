"""http_request: sends an HTTP request for each item."""

import re
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field

from weconnect.errors import UpstreamFailed
from weconnect.hiding import hide_and_cut
from weconnect.node_sdk import output_budget
from weconnect.node_sdk.field_paths import parse_json_or_text
from weconnect.node_sdk.node_parameters import ExpressionRule, Parameters
from weconnect.node_sdk.node_type import Item, ItemsByOutput, NodeError, NodeRun, NodeType
from weconnect.outbound.errors import HostRefused, OutboundRefused

MAX_BODY_BYTES = 1024 * 1024
MAX_FILE_BYTES = 20 * 1024 * 1024
MAX_ERROR_CHARACTERS = 300

_TEXTS = re.compile(
    r"text/|.*[/+](x-)?(graphql|javascript|json|ndjson|www-form-urlencoded|xml|yaml)\b", re.IGNORECASE
)


class HttpRequestParameters(Parameters):
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    """HTTP method."""
    url: Annotated[str, Field(min_length=1, max_length=8_000), ExpressionRule.MAY_USE_SECRETS]
    """http or https URL on the public internet."""
    headers: Annotated[
        dict[Annotated[str, Field(max_length=200)], Annotated[str, Field(max_length=8_000)]],
        ExpressionRule.MAY_USE_SECRETS,
    ] = {}
    """Headers by name."""
    query: Annotated[dict[str, str | int | float | bool], ExpressionRule.MAY_USE_SECRETS] = {}
    """Query parameters, added to those of the URL."""
    body: Annotated[Any, ExpressionRule.MAY_USE_SECRETS] = None
    """Body: text is sent as it is, anything else as JSON."""
    fail_on_status: bool = True
    """Whether a status of 400 or higher fails the node."""
    follow_redirects: bool = False
    """Whether to follow redirects."""
    response_format: Literal["auto", "text", "file"] = "auto"
    """`file` stores the body as a file of the execution, up to 20 MB; `auto` does so unless it is text or JSON."""
    timeout_seconds: Annotated[int, Field(ge=1, le=120)] = 20
    """Seconds to wait for the response."""


def run(node_run: NodeRun) -> ItemsByOutput:
    """Return `{"status", "headers", "body"}` for each item, with JSON parsed, or `file` instead of `body`."""
    items = (
        _send(node_run, parameters, key)
        for parameters, _, key in node_run.resolve_effects(HttpRequestParameters)
    )
    return output_budget.collect(node_run.node.name, {"main": items})


def _send(node_run: NodeRun, parameters: HttpRequestParameters, key: str) -> Item:
    """Send one request and return its result. Raises NodeError."""
    from weconnect.outbound import client as outbound  # cold start

    headers = {name.lower(): value for name, value in parameters.headers.items()}
    if parameters.method not in ("GET", "HEAD"):
        headers.setdefault("idempotency-key", key)
    text = parameters.body if isinstance(parameters.body, str) else None
    try:
        response = outbound.send(
            parameters.method,
            parameters.url,
            headers=headers,
            params=parameters.query or None,
            json=None if text is not None else parameters.body,
            content=text,
            timeout_seconds=min(parameters.timeout_seconds, node_run.timeout_seconds),
            max_bytes=MAX_BODY_BYTES if parameters.response_format == "text" else MAX_FILE_BYTES,
            follow_redirects=parameters.follow_redirects,
        )
    except OutboundRefused as error:
        may_retry = isinstance(error, HostRefused)
        raise NodeError("address_refused", error.detail, retryable=may_retry) from error
    except UpstreamFailed as error:
        raise NodeError("unreachable", error.detail, retryable=True) from error
    if parameters.fail_on_status and response.status >= 400:
        is_temporary = response.status == 429 or response.status >= 500
        excerpt = hide_and_cut(response.text, MAX_ERROR_CHARACTERS).strip()
        raise NodeError(
            f"http_{response.status}",
            f"The response has the status {response.status}: {excerpt}",
            retryable=is_temporary,
        )
    return {"status": response.status, "headers": response.headers} | _read_body(
        node_run, parameters, key, response
    )


def _read_body(node_run: NodeRun, parameters: HttpRequestParameters, key: str, response: Any) -> Item:
    """Return the response's body, or the reference to a file that stores it. Raises NodeError."""
    kind = response.headers.get("content-type", "")
    if parameters.response_format == "file" or (
        parameters.response_format == "auto" and not _is_text(kind, response.body)
    ):
        from weconnect.workflows.executions import files  # cold start

        name = _find_file_name(response.headers, response.url or parameters.url)
        return {"file": files.store(node_run, key, name, kind, response.body)}
    if len(response.body) > MAX_BODY_BYTES:
        text = f"The response has more than {MAX_BODY_BYTES >> 20} MB of text. Set responseFormat to file."
        raise NodeError("too_large", text)
    return {"body": parse_json_or_text(response.text) if "json" in kind else response.text}


def _is_text(kind: str, body: bytes) -> bool:
    """Return whether a body is text by its content type, or without one by its bytes."""
    if kind:
        return not body or bool(_TEXTS.match(kind))
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return b"\0" not in body


def _find_file_name(headers: dict[str, str], url: str) -> str:
    """Return the file name in the response's headers, else the last part of the URL's path."""
    disposition = headers.get("content-disposition", "")
    if match := re.search(r"filename\*=(?:UTF-8|utf-8)''([^;]+)", disposition):
        return unquote(match[1])
    if match := re.search(r"filename=(?:\"([^\"]*)\"|([^;\s]+))", disposition):
        return match[1] or match[2] or ""
    try:
        return unquote(urlsplit(url).path.rpartition("/")[2])
    except ValueError:
        return ""


NODE = NodeType(
    label="HTTP request",
    description="Sends an HTTP request for each item. Returns `status`, `headers`, and `body` or `file`.",
    category="http",
    kind="effect",
    parameters=HttpRequestParameters,
    run=run,
)
