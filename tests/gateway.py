"""A client that calls routes as the gateway does: match the path, build the event, authorize, call the handler."""

import base64
import importlib
import json
import re
import uuid
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from infra import routes
from weconnect.api.operation import Operation

CONTEXT = SimpleNamespace(
    function_name="test",
    memory_limit_in_mb=128,
    invoked_function_arn="arn:aws:lambda:us-east-1:000000000000:function:test",
    aws_request_id="test",
    get_remaining_time_in_millis=lambda: 29_000,
)


@dataclass
class ApiResponse:
    """The response to a call, with the event that the handler got."""

    status: int
    headers: dict[str, str]
    text: str
    event: dict[str, Any] = field(repr=False)
    cookies: list[str] = field(default_factory=list)

    @property
    def json(self) -> Any:
        """Return the parsed body."""
        return json.loads(self.text)


@dataclass
class Client:
    """A client whose `headers`, such as its credentials, are sent with every call."""

    headers: dict[str, str] = field(default_factory=dict)
    ip: str = "203.0.113.7"

    def get(self, path: str, **options: Any) -> ApiResponse:
        return self.call("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> ApiResponse:
        return self.call("POST", path, body, **options)

    def put(self, path: str, body: Any = None, **options: Any) -> ApiResponse:
        return self.call("PUT", path, body, **options)

    def patch(self, path: str, body: Any = None, **options: Any) -> ApiResponse:
        return self.call("PATCH", path, body, **options)

    def delete(self, path: str, **options: Any) -> ApiResponse:
        return self.call("DELETE", path, **options)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> ApiResponse:
        """Send one request; `raw` replaces the JSON of `body`, to send malformed JSON."""
        operation, parameters = match(method, path)
        text = raw if raw is not None else None if body is None else json.dumps(body)
        event = make_event(operation, path, parameters, text, self.headers | (headers or {}), self.ip)
        if not operation.public:
            event["requestContext"]["authorizer"] = {"lambda": authorize(event)}
        module = importlib.import_module(operation.function.__module__)
        response = module.handler(event, CONTEXT)
        text = response.get("body") or ""
        if response.get("isBase64Encoded"):
            text = base64.b64decode(text).decode()
        cookies = response.get("cookies") or []
        return ApiResponse(int(response["statusCode"]), response.get("headers", {}), text, event, cookies)


def match(method: str, path: str) -> tuple[Operation, dict[str, str]]:
    """Return the operation of a path and its path parameters; static segments win, as in the gateway."""
    candidates = []
    for operation in routes.load_operations().values():
        if operation.method == method and (hit := pattern_of(operation.path).fullmatch(urlsplit(path).path)):
            candidates.append((operation.path.count("{"), operation, hit.groupdict()))
    assert candidates, f"no route {method} {path}"
    _, operation, parameters = min(candidates, key=lambda item: item[0])
    return operation, parameters


@cache
def pattern_of(path: str) -> re.Pattern[str]:
    """Return the pattern of the paths of a route, with a group for each parameter."""
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path)))


def make_event(
    operation: Operation,
    path: str,
    parameters: dict[str, str],
    text: str | None,
    headers: dict[str, str],
    ip: str,
) -> dict[str, Any]:
    """Build an event in the gateway's payload format 2.0; repeated query parameters are joined by commas."""
    url = urlsplit(path)
    query: dict[str, str] = {}
    for name, value in parse_qsl(url.query, keep_blank_values=True):
        query[name] = f"{query[name]},{value}" if name in query else value
    lower = {"content-type": "application/json", **{name.lower(): value for name, value in headers.items()}}
    cookies = [part.strip() for part in lower.pop("cookie", "").split(";") if part.strip()]
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{operation.method} {operation.path}",
        "rawPath": url.path,
        "rawQueryString": url.query,
        "headers": lower,
        "requestContext": {
            "http": {
                "method": operation.method,
                "path": url.path,
                "protocol": "HTTP/1.1",
                "sourceIp": ip,
                "userAgent": lower.get("user-agent", "tests"),
            },
            "requestId": str(uuid.uuid4()),
            "stage": "$default",
            "routeKey": f"{operation.method} {operation.path}",
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if query:
        event["queryStringParameters"] = query
    if parameters:
        event["pathParameters"] = parameters
    if text is not None:
        event["body"] = text
    return event


def authorize(event: dict[str, Any]) -> dict[str, Any]:
    """Return the context that the authorizer adds to an event."""
    from auth.authorize import handler

    request = {name: event[name] for name in ("version", "routeKey", "rawPath", "headers", "requestContext")}
    response = handler({"type": "REQUEST", **request}, CONTEXT)
    assert response["isAuthorized"]
    context: dict[str, Any] = response["context"]
    return context
