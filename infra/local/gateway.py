"""API Gateway: routes from the OpenAPI document, payload-2.0 events for handlers, HTTP responses of their results."""

import base64
import json
import re
import time
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from infra.local.asgi import Request, Response
from infra.local.lanes import choose_lane, identify_tenant
from infra.local.settings import ACCOUNT
from infra.local.worker_pool import HandlerResult, Pool

INTEGRATION_SECONDS = 30.0
_FUNCTION_ID = re.compile(r"\$\{(\w+)\.Arn\}")


@dataclass(frozen=True)
class Route:
    """One operation, such as "POST /v1/agents/{agentId}", with the logical IDs of its handler and authorizer."""

    key: str
    segments: tuple[str, ...]
    function: str
    authorizer: str | None

    @property
    def order(self) -> tuple[int, ...]:
        """Return the sort key of precedence: literal segments, then variables, then the rest of the path."""
        return tuple(2 if part.endswith("+}") else 1 if part.startswith("{") else 0 for part in self.segments)

    def match(self, segments: list[str]) -> dict[str, str] | None:
        """Return the path parameters, or None when the path does not match."""
        parameters = {}
        for index, part in enumerate(self.segments):
            if part.endswith("+}"):
                parameters[part[1:-2]] = "/".join(segments[index:])
                return parameters if len(segments) > index else None
            if index >= len(segments) or not (part.startswith("{") or part == segments[index]):
                return None
            if part.startswith("{"):
                if not segments[index]:
                    return None
                parameters[part[1:-1]] = segments[index]
        return parameters if len(segments) == len(self.segments) else None


class Routes:
    """The gateway's routes by method and number of segments."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._routes: dict[tuple[str, int], list[Route]] = {}
        authorizers = {
            name: _extract_function_id(scheme["x-amazon-apigateway-authorizer"]["authorizerUri"])
            for name, scheme in document.get("components", {}).get("securitySchemes", {}).items()
            if "x-amazon-apigateway-authorizer" in scheme
        }
        for path, operations in document.get("paths", {}).items():
            for method, operation in operations.items():
                integration = operation.get("x-amazon-apigateway-integration")
                if integration is None:
                    continue
                names = [name for requirement in operation.get("security", []) for name in requirement]
                authorizer = authorizers[names[0]] if names else None
                verb = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
                segments = tuple(path.strip("/").split("/"))
                route = Route(
                    f"{verb} {path}", segments, _extract_function_id(integration["uri"]), authorizer
                )
                size = -1 if path.endswith("+}") else len(segments)
                self._routes.setdefault((verb, size), []).append(route)
        for routes in self._routes.values():
            routes.sort(key=lambda route: route.order)

    def __iter__(self) -> Any:
        return (route for routes in self._routes.values() for route in routes)

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """Return the route of a request with its path parameters, or None; the method precedes ANY."""
        segments = [unquote(part) for part in path.removeprefix("/").split("/")]
        for key in ((method, len(segments)), ("ANY", len(segments)), (method, -1), ("ANY", -1)):
            for route in self._routes.get(key, ()):
                if (parameters := route.match(segments)) is not None:
                    return route, parameters
        return None


def _extract_function_id(uri: Any) -> str:
    """Return the logical ID of the function in an integration's URI. Raises ValueError."""
    text = uri["Fn::Sub"] if isinstance(uri, dict) else uri
    match = _FUNCTION_ID.search(text if isinstance(text, str) else text[0])
    if not match:
        raise ValueError(f"no function in the integration {uri!r}")
    return match[1]


def build_event(request: Request, route: Route, parameters: dict[str, str]) -> dict[str, Any]:
    """Return the payload-2.0 event of an HTTP API."""
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for name, value in request.headers:
        if name == "cookie":
            cookies += [part.strip() for part in value.split(";")]
        else:
            headers[name] = f"{headers[name]},{value}" if name in headers else value
    forwarded = headers.get("x-forwarded-for")  # AWS appends the address that it sees to what the caller sent
    headers["x-forwarded-for"] = f"{forwarded},{request.client}" if forwarded else request.client
    path = unquote(request.path)  # an HTTP API passes the path decoded, unlike a REST API
    now = time.time()
    request_id = str(uuid.uuid4())
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route.key,
        "rawPath": path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "local",
            "domainName": headers.get("host", "127.0.0.1"),
            "domainPrefix": "local",
            "http": {
                "method": request.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": request.client,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request_id,
            "routeKey": route.key,
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = cookies
    if request.query:
        query: dict[str, str] = {}
        for name, value in parse_qsl(request.query, keep_blank_values=True):
            query[name] = f"{query[name]},{value}" if name in query else value
        event["queryStringParameters"] = query
    if parameters:
        event["pathParameters"] = parameters
    if request.body:
        try:
            event["body"] = request.body.decode()
        except UnicodeDecodeError:
            event["body"] = base64.b64encode(request.body).decode()
            event["isBase64Encoded"] = True
    return event


def build_response(result: HandlerResult) -> Response:
    """Return the HTTP response that an HTTP API makes of a handler's result (payload format 2.0)."""
    if result.timed_out and result.seconds >= INTEGRATION_SECONDS:
        return Response.message(503, "Service Unavailable")
    if result.failed:
        return Response.message(500, "Internal Server Error")
    value = result.parse_value()
    if not isinstance(value, dict) or "statusCode" not in value:
        body = value.encode() if isinstance(value, str) else json.dumps(value).encode()
        return Response(200, [("content-type", "application/json")], body)
    try:
        text = value.get("body") or ""
        content = base64.b64decode(text) if value.get("isBase64Encoded") else text.encode()
        headers = [(name.lower(), str(value)) for name, value in (value.get("headers") or {}).items()]
        headers += [("set-cookie", cookie) for cookie in value.get("cookies") or []]
        status = int(value["statusCode"])
    except (AttributeError, TypeError, ValueError):
        return Response.message(500, "Internal Server Error")
    if content and not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", "text/plain;charset=UTF-8"))
    return Response(status, headers, content)


class Gateway:
    """Handles requests by calling the authorizer and the handler of their route."""

    def __init__(self, routes: Routes, pool: Pool) -> None:
        self.routes = routes
        self.pool = pool

    async def __call__(self, request: Request) -> Response:
        match = self.routes.find(request.method, request.path)
        if match is None:
            return Response.message(404, "Not Found")
        route, parameters = match
        event = build_event(request, route, parameters)
        result = await self.pool.call(
            route.function,
            json.dumps(event, separators=(",", ":")).encode(),
            authorizer=route.authorizer,
            lane=choose_lane(route.key, event["headers"]),
            tenant=identify_tenant(event["headers"], request.client),
            timeout=min(INTEGRATION_SECONDS, self.pool.functions[route.function].timeout),
        )
        if result.failed:
            report_failure(route.key, result, self.pool)
        response = build_response(result)
        response.headers.append(("apigw-requestid", event["requestContext"]["requestId"]))
        return response


def report_failure(source: str, result: HandlerResult, pool: Pool) -> None:
    """Print one line about a handler's failure, with the log to read."""
    error = result.parse_value()
    print(
        f"error in {source}: {error['errorType']}: {error['errorMessage'][:200]} (see {pool.log})", flush=True
    )
