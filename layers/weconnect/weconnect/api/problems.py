"""The one table from exceptions to RFC 9457 responses."""

from collections.abc import Sequence
from typing import Any

from aws_lambda_powertools.event_handler.exceptions import ServiceError
from aws_lambda_powertools.event_handler.openapi.exceptions import (
    RequestValidationError,
    ResponseValidationError,
)

from weconnect.api.caller import request_info
from weconnect.api.responses import GatewayResponse
from weconnect.aws_errors import is_temporary
from weconnect.errors import BadRequest, FieldError, Invalid, Problem, Unavailable
from weconnect.json_text import write_json
from weconnect.log import logger

PROBLEM_JSON = "application/problem+json"
MAX_ERRORS = 50


def problem_response(error: Exception, event: dict[str, Any]) -> GatewayResponse:
    """Return the RFC 9457 response to an exception, and log it.

    A refusal is logged as information; an exception that is no Problem, as an error with its traceback.
    """
    problem = to_problem(error)
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
        "body": write_json(body),
        "isBase64Encoded": False,
        "cookies": [],
    }


def to_problem(error: Exception) -> Problem:
    """Convert an exception to the problem that the caller sees; an unexpected one reveals nothing of its cause."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError) and not isinstance(error, ResponseValidationError):
        return _build_invalid(error.errors())
    if isinstance(error, ServiceError) and error.status_code < 500:
        return BadRequest(str(error.msg))
    if is_temporary(error):
        return Unavailable("A service that this request needs did not respond. Try again shortly.")
    return Problem("Internal error. Quote the request ID when you report it.")


def _build_invalid(failures: Sequence[Any]) -> Invalid:
    """Return the Invalid problem of pydantic's failures; its detail shows the first three of them."""
    errors: list[FieldError] = [
        {"pointer": _pointer(failure["loc"]), "detail": _describe_failure(failure), "type": failure["type"]}
        for failure in failures
    ]
    summary = "; ".join(f"{error['pointer']} {error['detail']}".strip() for error in errors[:3])
    return Invalid(f"Invalid request: {summary}", errors=errors[:MAX_ERRORS])


def _describe_failure(failure: Any) -> str:
    """Return the message of one of pydantic's failures, with a clearer one for a missing body."""
    if failure["type"] == "missing" and tuple(failure["loc"]) == ("body",):
        return "The request needs a body: a JSON object"
    return str(failure["msg"].removeprefix("Value error, "))


def _pointer(location: Sequence[Any]) -> str:
    """Return an RFC 6901 pointer into the body; parameters are `/query/limit`, `/path/agentId`, `/header/if-match`."""
    parts = location[1:] if location[0] == "body" else location
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
