"""The API's routes, and the one `handler` that every route file exports.

A route file declares `@app.post("/v1/agents", …)` with the metadata of `weconnect.api.operation`, and re-exports
`handler`.
"""

import inspect
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Protocol, TypedDict, TypeVar, Unpack, cast

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import ServiceError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from weconnect import remaining_time
from weconnect.api import caller as callers
from weconnect.api import request_body
from weconnect.api.caller import Caller, request_info
from weconnect.api.operation import Operation
from weconnect.api.problems import PROBLEM_JSON, problem_response
from weconnect.api.responses import CONTENT_POLICY, SECURITY_HEADERS, GatewayResponse
from weconnect.errors import Problem
from weconnect.json_text import write_json
from weconnect.log import logger

RouteFunction = TypeVar("RouteFunction", bound=Callable[..., Any])


class RouteOptions(TypedDict, total=False):
    """The keyword arguments of a route's decorator; `Operation` explains those that are ours."""

    tags: list[str]
    status_code: int
    include_in_schema: bool
    public: bool
    self_service: bool
    beyond_organization: bool
    returns_secret: bool
    replays: bool
    reads_only: bool
    takes_document: bool
    location: str | None


class RouteDecorator(Protocol):
    """A decorator that registers a function and returns it as it is."""

    def __call__(self, function: RouteFunction, /) -> RouteFunction:
        """Register the function."""


class Api(APIGatewayHttpResolver):
    """Powertools' resolver that also keeps its operations, by the gateway's route key."""

    operations: dict[str, Operation]

    def __init__(self) -> None:
        super().__init__(
            enable_validation=True,
            response_validation_error_http_code=HTTPStatus.INTERNAL_SERVER_ERROR,
            json_body_deserializer=request_body.parse_object,
            serializer=write_json,
        )
        self.operations = {}

    def route(  # type: ignore[override]
        self,
        rule: str,
        method: str,
        *,
        tags: list[str] | None = None,
        status_code: int = HTTPStatus.OK,
        include_in_schema: bool = True,
        public: bool = False,
        self_service: bool = False,
        beyond_organization: bool = False,
        returns_secret: bool = False,
        replays: bool = False,
        reads_only: bool = False,
        takes_document: bool = False,
        location: str | None = None,
    ) -> RouteDecorator:
        """Return a decorator that registers a route.

        The first line of the function's docstring becomes the operation's summary, the rest its description.
        """

        def register(function: RouteFunction) -> RouteFunction:
            """Record the operation of a route's function and register the function with Powertools."""
            operation = Operation(
                method,
                rule.replace("<", "{").replace(">", "}"),
                function,
                public=public,
                self_service=self_service,
                beyond_organization=beyond_organization,
                returns_secret=returns_secret,
                replays=replays,
                reads_only=reads_only,
                takes_document=takes_document,
                location=location,
            )
            self.operations[operation.route_key] = operation
            summary, _, description = (function.__doc__ or function.__name__).strip().partition("\n")
            return super(Api, self).route(
                rule,
                method,
                operation_id=function.__name__,
                summary=summary.rstrip("."),
                description=inspect.cleandoc(description),
                tags=tags,
                status_code=status_code,
                include_in_schema=include_in_schema,
            )(function)

        return register

    def get(self, rule: str, **options: Unpack[RouteOptions]) -> RouteDecorator:  # type: ignore[override]
        """Register a GET route."""
        return self.route(rule, "GET", **options)

    def post(self, rule: str, **options: Unpack[RouteOptions]) -> RouteDecorator:  # type: ignore[override]
        """Register a POST route."""
        return self.route(rule, "POST", **options)

    def put(self, rule: str, **options: Unpack[RouteOptions]) -> RouteDecorator:  # type: ignore[override]
        """Register a PUT route."""
        return self.route(rule, "PUT", **options)

    def patch(self, rule: str, **options: Unpack[RouteOptions]) -> RouteDecorator:  # type: ignore[override]
        """Register a PATCH route."""
        return self.route(rule, "PATCH", **options)

    def delete(self, rule: str, **options: Unpack[RouteOptions]) -> RouteDecorator:  # type: ignore[override]
        """Register a DELETE route."""
        return self.route(rule, "DELETE", **options)


app = Api()


def handler(event: dict[str, Any], context: Any) -> GatewayResponse:
    """Respond to one event of payload format 2.0; every failure becomes a problem response.

    An event without a caller is refused unless its route is declared public.
    """
    request = request_info(event)
    logger.structure_logs(append=False, request_id=request.id, route=event.get("routeKey"))
    try:
        response = _respond(event, context)
    except Exception as error:
        response = problem_response(error, event)
    response["headers"] = {
        **callers.response_headers(event),
        "Content-Security-Policy": CONTENT_POLICY,
        **response.get("headers", {}),
        "X-Request-Id": request.id,
        **SECURITY_HEADERS,
    }
    return response


def _respond(event: dict[str, Any], context: Any) -> GatewayResponse:
    """Return the response to an event: check caller and body, then run the route, once for an Idempotency-Key."""
    operation = app.operations[event["routeKey"]]
    remaining_time.begin(context.get_remaining_time_in_millis() / 1000)
    caller = None if operation.public else _authorize(event, operation)
    request_body.check_size(event, operation.max_body_bytes)
    if operation.takes_body:
        request_body.decode_text(event)
    if caller and operation.replays and "idempotency-key" in event.get("headers", {}):
        from weconnect.api import idempotency  # cold start

        return idempotency.execute_once(event, caller, operation, lambda: _resolve(event, context))
    return _resolve(event, context)


def _authorize(event: dict[str, Any], operation: Operation) -> Caller:
    """Return the event's caller; raise the problem that bars them from the operation."""
    caller = callers.read_caller(event)
    callers.set_current(caller)
    logger.append_keys(organization_id=str(caller.organization_id), user_id=str(caller.user_id))
    caller.check_access(
        self_service=operation.self_service,
        writes=operation.writes,
        accepts_share=operation.accepts_share,
        beyond_organization=operation.beyond_organization,
    )
    permission = operation.permission
    if permission and not (operation.accepts_share and caller.is_within_scopes(permission)):
        caller.require_permission(permission)
    return caller


def _resolve(event: dict[str, Any], context: Any) -> GatewayResponse:
    """Return the response of Powertools' resolver, which calls the route's function."""
    return cast(GatewayResponse, app.resolve(event, context))


def _add_entity_headers(app: Api, next_middleware: Callable[[Api], Response[Any]]) -> Response[Any]:
    """Give the response of an entity its ETag, and a 201 or 202 response the Location of what it describes."""
    response = next_middleware(app)
    body = response.body if isinstance(response.body, dict) else {}
    if "version" in body:
        response.headers.setdefault("ETag", f'"{body["version"]}"')
    if response.status_code in (201, 202) and "id" in body:
        event = app.current_event.raw_event
        operation = app.operations[event["routeKey"]]
        if location := operation.location_of(body["id"], event.get("pathParameters") or {}):
            response.headers.setdefault("Location", location)
    return response


def _respond_with_problem(error: Exception) -> Response[str]:
    """Return the problem response to an exception of a route's function."""
    response = problem_response(error, app.current_event.raw_event)
    return Response(response["statusCode"], PROBLEM_JSON, response["body"], dict(response["headers"]))


app.use([_add_entity_headers])
app.exception_handler([Exception, Problem, RequestValidationError, ServiceError])(_respond_with_problem)
