"""The errors of the domain. Each knows its HTTP status and its code; `http` alone turns them into answers."""

from typing import Any


class Problem(Exception):
    """An RFC 9457 problem. `errors` names places: `[{"pointer": "/name", "detail": "…"}]`."""

    status = 500
    code = "internal_error"
    title = "Internal error"

    def __init__(
        self,
        detail: str | None = None,
        *,
        code: str | None = None,
        errors: list[dict[str, Any]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.code = code or self.code
        self.errors = errors or []
        self.headers = headers or {}


class BadRequest(Problem):
    status, code, title = 400, "bad_request", "Bad request"


class Unauthenticated(Problem):
    status, code, title = 401, "unauthenticated", "Sign in first"


class Forbidden(Problem):
    status, code, title = 403, "forbidden", "Not permitted"


class NotFound(Problem):
    status, code, title = 404, "not_found", "Not found"


class NotAllowed(Problem):
    status, code, title = 405, "method_not_allowed", "This method is not for this address"


class Conflict(Problem):
    status, code, title = 409, "conflict", "Conflict"


class Stale(Problem):
    status, code, title = 412, "stale_version", "The entity has changed since it was read"


class TooLarge(Problem):
    status, code, title = 413, "too_large", "Too large"


class UnsupportedMediaType(Problem):
    status, code, title = 415, "unsupported_media_type", "Unsupported media type"


class Invalid(Problem):
    status, code, title = 422, "invalid", "The request is not valid"


class LimitReached(Problem):
    status, code, title = 429, "limit_reached", "Limit reached"


class NotConfigured(Problem):
    status, code, title = 501, "not_configured", "Not configured in this deployment"


class UpstreamFailed(Problem):
    status, code, title = 502, "upstream_failed", "A service we called failed"


class Unavailable(Problem):
    status, code, title = 503, "unavailable", "Try again shortly"


PROBLEMS_BY_STATUS: dict[int, type[Problem]] = {kind.status: kind for kind in Problem.__subclasses__()}


def name_taken(what: str, name: str) -> Conflict:
    """What refuses a second thing of one name in an organization."""
    errors = [{"pointer": "/name", "detail": "taken"}]
    return Conflict(f"There is {what} named {name!r} already", code="name_taken", errors=errors)
