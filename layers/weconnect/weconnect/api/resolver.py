"""The one resolver, the one error table, and the one `handler` that all routes share.

A route file says `@app.post("/v1/agents", …)` and re-exports `handler`. What a route may add: `public=True` when it
takes no caller, `secret=True` when its answer shows a secret that a replay must not find in clear, `own=True` when it
touches nothing but what is the caller's own (profile, password, sessions, second factor): those routes alone are open
to everybody who is signed in, whatever their role; `Caller.admit` holds the others to it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import ServiceError
from aws_lambda_powertools.event_handler.openapi.exceptions import (
    RequestValidationError,
    ResponseValidationError,
)
from aws_lambda_powertools.event_handler.openapi.params import Header, Path
from pydantic import BeforeValidator, WithJsonSchema

from weconnect.api import caller as callers
from weconnect.api import request_body
from weconnect.api.caller import Caller, is_shared, permission_of, request_info
from weconnect.errors import BadRequest, Invalid, Problem
from weconnect.log import logger

PROBLEM_JSON = "application/problem+json"


@dataclass(frozen=True)
class Operation:
    """One route as the gateway knows it."""

    method: str
    path: str
    function: Callable[..., Any]
    public: bool
    secret: bool
    own: bool

    @property
    def permission(self) -> str | None:
        return permission_of(self.function)

    @property
    def shared(self) -> bool:
        """Whether a share can stand in for the permission; the service looks for it."""
        return is_shared(self.function)

    @property
    def takes_body(self) -> bool:
        """Whether a JSON body is among its parameters."""
        return "body" in self.function.__annotations__

    @property
    def writes(self) -> bool:
        """Whether it may change something; a POST that asks for a `:read` permission only searches."""
        return self.method != "GET" and not (self.permission or "").endswith(":read")

    @property
    def may_replay(self) -> bool:
        """Whether `Idempotency-Key` counts: on a POST, but not where people sign in and out."""
        return self.method == "POST" and not self.path.startswith("/v1/auth/")


class Api(APIGatewayHttpResolver):
    """Powertools' resolver that also remembers its operations by the gateway's route key."""

    operations: dict[str, Operation]

    def __init__(self) -> None:
        super().__init__(
            enable_validation=True,
            response_validation_error_http_code=HTTPStatus.INTERNAL_SERVER_ERROR,
            json_body_deserializer=request_body.parse,
            serializer=_serialize,
        )
        self.operations = {}

    def route(  # type: ignore[override]
        self,
        rule: str,
        method: str | list[str] = "GET",
        *args: Any,
        public: bool = False,
        secret: bool = False,
        own: bool = False,
        **options: Any,
    ) -> Callable[..., Any]:
        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            path = rule.replace("<", "{").replace(">", "}")
            operation = Operation(str(method), path, function, public, secret, own)
            self.operations[f"{method} {path}"] = operation
            options["operation_id"] = function.__name__
            options["summary"] = (function.__doc__ or function.__name__).strip().splitlines()[0]
            options["description"] = (function.__doc__ or "").strip()
            return super(Api, self).route(rule, method, *args, **options)(function)  # type: ignore[no-any-return]

        return register

    def get(self, rule: str, **options: Any) -> Callable[..., Any]:  # type: ignore[override]
        return self.route(rule, "GET", **options)

    def post(self, rule: str, **options: Any) -> Callable[..., Any]:  # type: ignore[override]
        return self.route(rule, "POST", **options)

    def put(self, rule: str, **options: Any) -> Callable[..., Any]:  # type: ignore[override]
        return self.route(rule, "PUT", **options)

    def patch(self, rule: str, **options: Any) -> Callable[..., Any]:  # type: ignore[override]
        return self.route(rule, "PATCH", **options)

    def delete(self, rule: str, **options: Any) -> Callable[..., Any]:  # type: ignore[override]
        return self.route(rule, "DELETE", **options)


def _serialize(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


app = Api()


# Parameter types that several modules' routes share


def _version_of_etag(value: str | None) -> int | None:
    if value is None or value == "*":
        return None
    try:
        return int(value.removeprefix("W/").strip('"'))
    except ValueError:
        raise ValueError('must be the ETag of an answer, such as "3"') from None


def _wait_of_prefer(value: str | None) -> int:
    for preference in (value or "").split(","):
        name, _, number = preference.strip().partition("=")
        if name.lower() == "wait":
            if not number.strip('" ').isdigit():
                raise ValueError("wait takes a number of seconds, such as wait=10")
            return min(25, int(number.strip('" ')))
    return 0


IfMatch = Annotated[
    int | None,
    BeforeValidator(_version_of_etag),
    WithJsonSchema({"type": "string", "examples": ['"3"']}),
    Header(alias="If-Match", description="Change only this version"),
]
PreferWait = Annotated[
    int,
    BeforeValidator(_wait_of_prefer),
    WithJsonSchema(
        {"anyOf": [{"type": "string"}, {"type": "integer"}], "examples": ["wait=20"]}
    ),  # default: 0
    Header(alias="Prefer", description="RFC 7240 `wait=N`: wait up to N (25) seconds for the result"),
]


def path_id(name: str) -> Any:
    """The type of an id in a path."""
    return Annotated[UUID, Path(alias=name)]


def no_content() -> Response[None]:
    """204."""
    return Response(status_code=204, body=None)


# Answers


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Answer one payload-2.0 event. Refuses every event without a caller unless its route is declared public."""
    request = request_info(event)
    logger.structure_logs(append=False, request_id=request.id, route=event.get("routeKey"))
    try:
        answer = _answer(event, context)
    except Exception as error:
        answer = _problem_answer(error, event)
    answer["headers"] = {
        **callers.answer_headers(event),
        **answer.get("headers", {}),
        "X-Request-Id": request.id,
        **_SECURITY_HEADERS,
    }
    return answer


_SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "Strict-Transport-Security": "max-age=31536000",
}


def _answer(event: dict[str, Any], context: Any) -> dict[str, Any]:
    operation = app.operations[event["routeKey"]]
    caller: Caller | None = None
    if not operation.public:
        caller = callers.from_event(event)
        callers.become(caller)
        logger.append_keys(organization_id=str(caller.organization_id), user_id=str(caller.user_id))
        caller.admit(own=operation.own, writes=operation.writes, shared=operation.shared)
        word = operation.permission
        if word and not (operation.shared and caller.may_be_lent(word)):
            caller.require(word)
    request_body.check_size(event)
    if operation.takes_body:
        request_body.check_text(event)
    if caller and operation.may_replay and "idempotency-key" in event.get("headers", {}):
        from weconnect.api import idempotency  # only requests with the header pay for it

        return idempotency.replayed(event, caller, operation, lambda: app.resolve(event, context))
    return app.resolve(event, context)


def _mark(app: Any, next_middleware: Callable[[Any], Response[Any]]) -> Response[Any]:
    """Give the answer of an entity its ETag, and of something new its Location."""
    answer = next_middleware(app)
    body = answer.body if isinstance(answer.body, dict) else {}
    if "version" in body:
        answer.headers.setdefault("ETag", f'"{body["version"]}"')
    if answer.status_code in (201, 202) and "id" in body:
        answer.headers.setdefault("Location", f"{_collection(app.current_event.path)}/{body['id']}")
    return answer


def _collection(path: str) -> str:
    """Where what a POST made can be found: collections are plural, and an action answers one of its collection's."""
    before = path.rpartition("/")[0]
    if path.endswith("s"):
        return path
    return before if before.endswith("s") else before.rpartition("/")[0]


app.use([_mark])


@app.exception_handler(Exception)  # type: ignore[untyped-decorator]
def _on_exception(error: Exception) -> Response[str]:
    answer = _problem_answer(error, app.current_event.raw_event)
    return Response(answer["statusCode"], PROBLEM_JSON, answer["body"], answer["headers"])


app.exception_handler([Problem, RequestValidationError, ServiceError])(_on_exception)


def _problem_answer(error: Exception, event: dict[str, Any]) -> dict[str, Any]:
    """RFC 9457, and a log line: a warning for what the caller did, an error with its traceback for what we did."""
    problem = _as_problem(error)
    if problem.status >= 500 and not isinstance(error, Problem):
        logger.exception("request failed", exc_info=error)
    else:
        logger.info("request refused", code=problem.code, status=problem.status, detail=problem.detail)
    body = {
        "type": f"urn:weconnect:problem:{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": event.get("rawPath"),
        "code": problem.code,
        "errors": problem.errors,
        "requestId": request_info(event).id,
    }
    return {
        "statusCode": problem.status,
        "headers": {"Content-Type": PROBLEM_JSON, **problem.headers},
        "body": _serialize(body),
        "isBase64Encoded": False,
        "cookies": [],
    }


def _as_problem(error: Exception) -> Problem:
    """The one table from exceptions to problems."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError) and not isinstance(error, ResponseValidationError):
        return _invalid(error.errors())
    if isinstance(error, ServiceError) and error.status_code < 500:
        return BadRequest(str(error.msg))
    return Problem("Something went wrong here; the request id tells us what")


def _invalid(found: Any) -> Problem:
    errors = [
        {
            "pointer": _pointer(item["loc"]),
            "detail": _said(item),
            "type": item["type"],
        }
        for item in found
    ]
    said = "; ".join(f"{item['pointer']} {item['detail']}".strip() for item in errors[:3])
    return Invalid(f"Not valid: {said}", errors=errors[:50])


def _said(item: Any) -> str:
    if item["type"] == "missing" and len(item["loc"]) == 1 and item["loc"][0] == "body":
        return "The request needs a body: a JSON object"
    return str(item["msg"].removeprefix("Value error, "))


def _pointer(location: Any) -> str:
    """RFC 6901 within the body; parameters as `/query/limit`, `/path/agentId`, `/header/if-match`."""
    parts = location[1:] if location[0] == "body" else location
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
