"""The problems of the API: one class for each HTTP status, and the codes that several modules share.

Each code is one class, in its module's `errors.py`, below the class of its status. A class's docstring is its entry in
the generated `docs/errors.md`. Only `weconnect.api.problems` turns a problem into a response.
"""

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict


class FieldError(TypedDict):
    """One error of a request, at an RFC 6901 JSON pointer such as `/name`, `/query/limit` or `/header/if-match`."""

    pointer: str
    detail: str
    type: NotRequired[str]
    code: NotRequired[str]
    nodeId: NotRequired[str | None]


class Problem(Exception):
    """The server failed. Quote the request ID when you report it."""

    status = 500
    code = "internal_error"
    title = "Internal error"

    def __init__(
        self,
        detail: str | None = None,
        *,
        pointer: str | None = None,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Take the class's title for a missing `detail`; `pointer` adds one error there with the same detail."""
        self.detail = detail or self.title
        super().__init__(self.detail)
        self.errors: list[FieldError] = list(errors)
        if pointer is not None:
            self.errors.append({"pointer": pointer, "detail": self.detail})
        self.headers: dict[str, str] = dict(headers or {})


class BadRequest(Problem):
    """The request is malformed."""

    status, code, title = 400, "bad_request", "Bad request"


class Unauthenticated(Problem):
    """The request has no valid credentials."""

    status, code, title = 401, "unauthenticated", "Authentication required"


class Forbidden(Problem):
    """The caller may not do this."""

    status, code, title = 403, "forbidden", "Not permitted"


class NotFound(Problem):
    """The resource does not exist, or the caller may not see it."""

    status, code, title = 404, "not_found", "Not found"


class MethodNotAllowed(Problem):
    """The path exists, but not with this method."""

    status, code, title = 405, "method_not_allowed", "Method not allowed"


class Conflict(Problem):
    """The request conflicts with the present state of the resource."""

    status, code, title = 409, "conflict", "Conflict"


class Gone(Problem):
    """The content existed and was deleted."""

    status, code, title = 410, "gone", "Gone"


class StaleVersion(Problem):
    """`If-Match` names another version than the present one. Read the resource again."""

    status, code, title = 412, "stale_version", "The resource has changed since it was read"


class TooLarge(Problem):
    """The request or a part of it exceeds a limit in bytes."""

    status, code, title = 413, "too_large", "Too large"


class UnsupportedMediaType(Problem):
    """The request's body has a media type that this operation does not accept."""

    status, code, title = 415, "unsupported_media_type", "Unsupported media type"


class Invalid(Problem):
    """The request is well-formed, but a value in it is not valid. `errors` names each by its JSON pointer."""

    status, code, title = 422, "invalid", "Invalid request"


class LimitReached(Problem):
    """A limit or quota is used up. `Retry-After` says when to try again, where time helps."""

    status, code, title = 429, "limit_reached", "Limit reached"


class NotConfigured(Problem):
    """This deployment lacks the configuration that the operation needs."""

    status, code, title = 501, "not_configured", "Not configured"


class UpstreamFailed(Problem):
    """A service that the operation depends on failed."""

    status, code, title = 502, "upstream_failed", "Upstream service failed"


class Unavailable(Problem):
    """The service is overloaded or a part of it is down. Try again shortly."""

    status, code, title = 503, "unavailable", "Temporarily unavailable"


# Codes that several modules share


class NameTaken(Conflict):
    """The organization already has a resource of this type with the same name."""

    code, title = "name_taken", "Name taken"

    def __init__(self, noun: str, name: str) -> None:
        """Say which name is taken by what; `noun` has its article, such as `an agent`."""
        errors: list[FieldError] = [{"pointer": "/name", "detail": "taken"}]
        super().__init__(f"The name {name!r} is taken by {noun}. Choose another name.", errors=errors)


class VersionConflict(Conflict):
    """Another request changed the resource at the same time. Read it again and repeat the request."""

    code, title = "version_conflict", "Changed by another request"


class AlreadyFinished(Conflict):
    """The execution or job has already finished."""

    code, title = "already_finished", "Already finished"
