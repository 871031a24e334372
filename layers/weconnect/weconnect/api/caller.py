"""Who is calling, and what a route asks of them: a permission is the type of a route's parameter."""

import json
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any
from uuid import UUID

from aws_lambda_powertools.event_handler.depends import Depends

from weconnect.errors import PROBLEMS_BY_STATUS, Forbidden, Problem, Unauthenticated

EVERYTHING = "*"
OPERATOR = "operator"
"""The permission of those who operate the deployment; no member holds it, not even an owner."""


@dataclass(frozen=True)
class RequestInfo:
    """Where a request came from; every change it makes carries this."""

    id: str = "-"
    ip: str = "-"
    user_agent: str = "-"

    def actor(self, user_id: object) -> dict[str, Any]:
        """What the stream's audit needs where nobody is signed in: whom a token or a password proved to be there."""
        return {
            "userId": str(user_id),
            "requestId": self.id,
            "ip": self.ip,
            "userAgent": self.user_agent,
        }


@dataclass(frozen=True)
class Caller:
    """The authenticated user or API key of a request, in one organization.

    `sso`: they signed in through that organization's own identity provider, which speaks for no other one. `scopes`:
    what an API key may do at most, whatever its user holds; None for a person. `job_id`: a job acts for them, after
    their request.
    """

    user_id: UUID
    organization_id: UUID
    role: str
    permissions: frozenset[str]
    session_id: str | None = None
    api_key_id: UUID | None = None
    is_operator: bool = False
    user_role: str = "user"
    needs_second_factor: bool = False
    sso: bool = False
    scopes: frozenset[str] | None = None
    job_id: UUID | None = None
    request: RequestInfo = field(default_factory=RequestInfo)

    def may(self, permission: str) -> bool:
        """Whether the caller holds `resource:action`."""
        if permission == OPERATOR:
            return self.is_operator
        return EVERYTHING in self.permissions or permission in self.permissions

    def require(self, permission: str) -> None:
        """Raise Forbidden unless the caller holds `permission`."""
        if not self.may(permission):
            needed = f"This needs the permission {permission}"
            if self.api_key_id:
                needed += ", which an API key has by a scope and by a flag: canRead, canWrite, canDelete, canExecute"
            raise Forbidden(needed, code="permission_missing")

    def may_be_lent(self, permission: str) -> bool:
        """Whether a share may stand in for `permission`: a key does no more than its scopes say."""
        return self.scopes is None or permission in self.scopes

    @property
    def is_guest(self) -> bool:
        """Whether the caller holds nothing but what is shared with them."""
        return self.user_role == "guest"

    def admit(self, *, own: bool, writes: bool, shared: bool) -> None:
        """Hold the user roles on a route, before anything else of it happens.

        What is one's own is open to all. Beyond it a `readonly` user writes nothing, a `guest` reaches only routes
        where what is `shared` with them can be reached, and nobody acts without the second factor their organization
        wants.
        """
        if own:
            return
        if self.needs_second_factor:
            raise Forbidden(
                "This organization wants a second factor: POST /v1/auth/mfa/enroll, confirm it and refresh, "
                "or sign in again with it",
                code="mfa_required_by_organization",
            )
        if self.is_guest and not shared:
            raise Forbidden("Guests see only what is shared with them", code="guest")
        if self.user_role == "readonly" and writes:
            raise Forbidden("Your account may only read", code="read_only")

    @property
    def is_bound(self) -> bool:
        """Whether the caller may see nothing beyond this organization, not even the user's other ones."""
        return self.api_key_id is not None or self.sso

    def actor(self) -> dict[str, Any]:
        """What the stream's audit needs to know about who made a change."""
        return {
            "userId": str(self.user_id),
            "organizationId": str(self.organization_id),
            "apiKeyId": str(self.api_key_id) if self.api_key_id else None,
            "operator": self.is_operator,
            "requestId": self.request.id,
            "ip": self.request.ip,
            "userAgent": self.request.user_agent,
        } | ({"jobId": str(self.job_id)} if self.job_id else {})


_current: ContextVar[Caller] = ContextVar("caller")


def request_info(event: dict[str, Any]) -> RequestInfo:
    """Read the request's own data from a payload-2.0 event."""
    context = event.get("requestContext", {})
    http = context.get("http", {})
    return RequestInfo(
        id=context.get("requestId", "-"),
        ip=http.get("sourceIp", "-"),
        user_agent=http.get("userAgent", "-")[:300],
    )


def from_event(event: dict[str, Any]) -> Caller:
    """The caller that the authorizer put into the event; raises the problem that it found instead."""
    context = event.get("requestContext", {}).get("authorizer", {}).get("lambda") or {}
    if problem := context.get("problem"):
        raise _problem(json.loads(problem))
    if not context.get("userId") or not context.get("organizationId"):
        raise Unauthenticated()
    key = context.get("apiKeyId")
    return Caller(
        user_id=UUID(context["userId"]),
        organization_id=UUID(context["organizationId"]),
        role=context.get("role", ""),
        permissions=frozenset((context.get("permissions") or "").split()),
        session_id=context.get("sessionId") or None,
        api_key_id=UUID(key) if key else None,
        is_operator=context.get("operator") == "true",
        user_role=context.get("userRole") or "user",
        needs_second_factor=context.get("needsSecondFactor") == "true",
        sso=context.get("sso") == "true",
        scopes=frozenset((context.get("scopes") or "").split()) if key else None,
        request=request_info(event),
    )


def answer_headers(event: dict[str, Any]) -> dict[str, str]:
    """The headers that the authorizer wants on the answer: what is left of an API key's limits."""
    context = event.get("requestContext", {}).get("authorizer", {}).get("lambda") or {}
    found: dict[str, str] = json.loads(context.get("headers") or "{}")
    return found


def become(caller: Caller) -> None:
    """Make `caller` the one that this request's dependencies answer."""
    _current.set(caller)


def _problem(found: dict[str, Any]) -> Problem:
    kind = PROBLEMS_BY_STATUS.get(found["status"], Unauthenticated)
    return kind(found.get("detail"), code=found.get("code"), headers=found.get("headers"))


@cache
def requires(permission: str | None, *, shared: bool = False) -> Any:
    """The parameter type of a route that only callers with `permission` may use.

    `shared`: a share of the thing can stand in for the permission, so it is for the service to refuse.
    """

    def caller() -> Caller:
        return _current.get()

    caller.permission, caller.shared = permission, shared  # type: ignore[attr-defined]
    return Annotated[Caller, Depends(caller)]


def permission_of(function: Callable[..., Any]) -> str | None:
    """The permission that a route's function asks for; None when any signed-in caller will do."""
    return getattr(_dependency_of(function), "permission", None)


def is_shared(function: Callable[..., Any]) -> bool:
    """Whether a share can stand in for the permission that a route's function asks for."""
    return getattr(_dependency_of(function), "shared", False)


def _dependency_of(function: Callable[..., Any]) -> Any:
    """What `requires` made for one of the function's parameters."""
    for annotation in getattr(function, "__annotations__", {}).values():
        for extra in getattr(annotation, "__metadata__", ()):
            if isinstance(extra, Depends) and hasattr(extra.dependency, "permission"):
                return extra.dependency
    return None


SignedIn = requires(None)
