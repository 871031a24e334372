"""The caller of a request, and the permission that a route requires, which is the type of its parameter."""

import json
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any
from uuid import UUID

from aws_lambda_powertools.event_handler.depends import Depends

from weconnect.actor import Actor
from weconnect.api.errors import GuestNotAllowed, MfaRequiredByOrganization, PermissionMissing, ReadOnlyUser
from weconnect.errors import Problem, Unauthenticated

EVERYTHING = "*"
OPERATOR = "operator"
"""The permission of the deployment's operators; no member holds it, not even an owner."""


@dataclass(frozen=True)
class RequestInfo:
    """The ID, address and client of a request, which every change of a row records. A missing value is `-`."""

    id: str = "-"
    ip: str = "-"
    user_agent: str = "-"

    def actor(self, user_id: object) -> Actor:
        """Return the actor of a request without a caller: the user that a token or a password identified."""
        return {
            "userId": str(user_id),
            "requestId": self.id,
            "ip": self.ip,
            "userAgent": self.user_agent,
        }


@dataclass(frozen=True)
class Caller:
    """The authenticated user or API key of a request, in one organization.

    - `is_sso`: they signed in through the organization's own identity provider, which vouches for no other one.
    - `scopes`: the permissions that an API key has at most, whatever its user holds; None for a person.
    - `job_id`: the job that acts for them after their request.
    - `lacks_second_factor`: the organization requires a second factor, and this session or key was opened without it.
    - `membership_problem`: the reason for which they may not act in the organization any more; what is their own
      remains open to them. It is known at requests that are no GET.
    """

    user_id: UUID
    organization_id: UUID
    role: str
    permissions: frozenset[str]
    session_id: str | None = None
    api_key_id: UUID | None = None
    is_operator: bool = False
    user_role: str = "user"
    lacks_second_factor: bool = False
    is_sso: bool = False
    membership_problem: "RelayedProblem | None" = None
    scopes: frozenset[str] | None = None
    job_id: UUID | None = None
    request: RequestInfo = field(default_factory=RequestInfo)

    def has_permission(self, permission: str) -> bool:
        """Return whether the caller holds a permission such as `agents:read`."""
        if permission == OPERATOR:
            return self.is_operator
        return EVERYTHING in self.permissions or permission in self.permissions

    def require_permission(self, permission: str) -> None:
        """Raise PermissionMissing unless the caller holds `permission`."""
        if self.has_permission(permission):
            return
        detail = f"The permission {permission} is missing."
        if self.api_key_id:
            detail += " An API key needs its scope and its flag: canRead, canWrite, canDelete or canExecute."
        raise PermissionMissing(detail)

    def is_within_scopes(self, permission: str) -> bool:
        """Return whether the scopes of the caller's API key include `permission`; always True for a person."""
        return self.scopes is None or permission in self.scopes

    @property
    def is_guest(self) -> bool:
        """Return whether the caller reaches nothing but what is shared with them."""
        return self.user_role == "guest"

    def require_membership(self) -> None:
        """Raise the problem that bars the caller from their organization, such as NotAMember, if there is one."""
        if self.membership_problem:
            raise self.membership_problem

    def check_access(
        self, *, self_service: bool, writes: bool, accepts_share: bool, beyond_organization: bool = False
    ) -> None:
        """Raise the problem that bars the user from a route: their membership, their role, or a second factor.

        A route of self-service is open to everyone. On others a `readonly` user may not write, a `guest` needs a route
        that accepts a share, and nobody may act without the second factor that their organization requires, nor
        without their membership unless the route goes beyond the organization. Raises MfaRequiredByOrganization,
        GuestNotAllowed, ReadOnlyUser, or the problem with the membership.
        """
        if self_service:
            return
        if not beyond_organization:
            self.require_membership()
        if self.lacks_second_factor:
            raise MfaRequiredByOrganization(
                "This organization requires a second factor. Enroll with POST /v1/auth/mfa/enroll, confirm it and "
                "refresh the session, or sign in again with it."
            )
        if self.is_guest and not accepts_share:
            raise GuestNotAllowed("Guests reach only what is shared with them.")
        if self.user_role == "readonly" and writes:
            raise ReadOnlyUser("This account is read-only.")

    @property
    def is_bound_to_organization(self) -> bool:
        """Return whether the caller sees only this organization: an API key, or a single sign-on session."""
        return self.api_key_id is not None or self.is_sso

    def actor(self) -> Actor:
        """Return the actor of the changes that the caller makes, for the audit trail."""
        actor: Actor = {
            "userId": str(self.user_id),
            "organizationId": str(self.organization_id),
            "apiKeyId": str(self.api_key_id) if self.api_key_id else None,
            "operator": self.is_operator,
            "requestId": self.request.id,
            "ip": self.request.ip,
            "userAgent": self.request.user_agent,
        }
        if self.job_id:
            actor["jobId"] = str(self.job_id)
        return actor


_current: ContextVar[Caller] = ContextVar("caller")


def request_info(event: dict[str, Any]) -> RequestInfo:
    """Return the origin of a request from its event (payload format 2.0)."""
    context = event.get("requestContext", {})
    http = context.get("http", {})
    return RequestInfo(
        id=context.get("requestId", "-"),
        ip=http.get("sourceIp", "-"),
        user_agent=http.get("userAgent", "-")[:300],
    )


def read_caller(event: dict[str, Any]) -> Caller:
    """Return the caller that the authorizer put into the event; raise the problem that it put there instead."""
    context = event.get("requestContext", {}).get("authorizer", {}).get("lambda") or {}
    if problem := context.get("problem"):
        raise RelayedProblem(**json.loads(problem))
    membership_problem = context.get("membershipProblem")
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
        lacks_second_factor=context.get("needsSecondFactor") == "true",
        is_sso=context.get("sso") == "true",
        membership_problem=RelayedProblem(**json.loads(membership_problem)) if membership_problem else None,
        scopes=frozenset((context.get("scopes") or "").split()) if key else None,
        request=request_info(event),
    )


def response_headers(event: dict[str, Any]) -> dict[str, str]:
    """Return the headers that the authorizer adds to the response: an API key's rate limits; else none."""
    context = event.get("requestContext", {}).get("authorizer", {}).get("lambda") or {}
    headers: dict[str, str] = json.loads(context.get("headers") or "{}")
    return headers


def set_current(caller: Caller) -> None:
    """Make `caller` the value of this request's caller parameters."""
    _current.set(caller)


class RelayedProblem(Problem):
    """A problem that the authorizer found, with the status, code and title of that problem's class."""

    def __init__(self, status: int, code: str, title: str, detail: str, headers: dict[str, str]) -> None:
        self.status, self.code, self.title = status, code, title
        super().__init__(detail, headers=headers)


class RequiredPermission(Depends):
    """The marker of a route's caller parameter: the permission that it requires, and whether a share can replace it."""

    def __init__(self, permission: str | None, *, accepts_share: bool) -> None:
        super().__init__(_get_current_caller)
        self.permission, self.accepts_share = permission, accepts_share


def _get_current_caller() -> Caller:
    """Return the caller of this request. Raises LookupError when `set_current` was not called."""
    return _current.get()


@cache
def requires(permission: str | None, *, accepts_share: bool = False) -> Any:
    """Return the parameter type of a route that requires `permission`; None for any signed-in caller.

    With `accepts_share` a share of the resource can replace the permission, so the module's service must check it.
    """
    return Annotated[Caller, RequiredPermission(permission, accepts_share=accepts_share)]


def permission_of(function: Callable[..., Any]) -> str | None:
    """Return the permission that a route's function requires; None when any signed-in caller will do."""
    marker = _find_marker(function)
    return marker.permission if marker else None


def accepts_share(function: Callable[..., Any]) -> bool:
    """Return whether a share can replace the permission that a route's function requires."""
    marker = _find_marker(function)
    return marker is not None and marker.accepts_share


def _find_marker(function: Callable[..., Any]) -> RequiredPermission | None:
    """Return the RequiredPermission among the annotations of a route's function, or None."""
    for annotation in getattr(function, "__annotations__", {}).values():
        for marker in getattr(annotation, "__metadata__", ()):
            if isinstance(marker, RequiredPermission):
                return marker
    return None


SignedIn = requires(None)
