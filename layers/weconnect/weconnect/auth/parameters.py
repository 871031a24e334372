"""Parameter types of the auth routes."""

from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.depends import Depends
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from aws_lambda_powertools.shared.cookies import Cookie, SameSite
from pydantic import AwareDatetime

from weconnect.api.caller import OPERATOR, Caller, RequestInfo, SignedIn, request_info, requires
from weconnect.api.resolver import app, path_id
from weconnect.auth.entities import LimitType, UserRole
from weconnect.auth.sso.entities import CALLBACK, SIGN_IN_SECONDS, Begun, SsoStarted
from weconnect.errors import Forbidden
from weconnect.settings import settings


def _any_person(caller: SignedIn) -> Caller:
    if caller.api_key_id or not caller.session_id:
        raise Forbidden("Sign in as a person: API keys may not do this", code="api_key_not_allowed")
    return caller  # type: ignore[no-any-return]


def _person(caller: SignedIn) -> Caller:
    _any_person(caller)
    if caller.sso:
        raise Forbidden(
            "Signed in through an organization's identity provider you act in that organization only; "
            "for your account and other organizations sign in with your own password",
            code="sso_session",
        )
    return caller  # type: ignore[no-any-return]


def _request() -> RequestInfo:
    return request_info(app.current_event.raw_event)


# A person who signed in with the account's own password: they alone reach the account and other organizations.
Person = Annotated[Caller, Depends(_person)]
# A person however they signed in, for what stays in this organization.
AnyPerson = Annotated[Caller, Depends(_any_person)]
# Who operates the deployment: role `admin`, at a verified address.
Operator = requires(OPERATOR)
Requester = Annotated[RequestInfo, Depends(_request)]
LimitTypeOfPath = Annotated[LimitType, Path(alias="limitType")]
ApiKeyId = path_id("apiKeyId")
SessionId = path_id("sessionId")
Role = Annotated[UserRole | None, Query(description="Only users of this role")]
UserIsActive = Annotated[
    bool | None, Query(alias="isActive", description="Only active users, or only others")
]
CurrentOrganizationId = Annotated[
    UUID | None,
    Query(alias="currentOrganizationId", description="Only users whose current organization this is"),
]
OfEmail = Annotated[
    str | None, Query(alias="email", max_length=255, description="The one user with this address")
]
OfUser = Annotated[
    UUID | None, Query(alias="userId", description="Another member; needs organization:manage")
]
ExpiringBefore = Annotated[
    AwareDatetime | None,
    Query(
        alias="expiringBefore",
        description="All members' keys that end before this, the next one first; needs organization:manage",
    ),
]
IsActive = Annotated[bool | None, Query(alias="isActive", description="Only active keys, or only others")]


# Single sign-on. The cookie holds a sign-in to the browser that began it; Lax, because the provider sends people back
# by a link, and read from the payload's own list, where the gateway puts cookies.

COOKIE = "weconnect_sso"


def in_browser(begun: Begun) -> Response[SsoStarted]:
    """The answer of a start, with the cookie that its browser keeps."""
    cookie = Cookie(
        name=COOKIE,
        value=begun.browser,
        path=CALLBACK,
        secure=not settings.is_local,
        http_only=True,
        max_age=SIGN_IN_SECONDS,
        same_site=SameSite.LAX_MODE,
    )
    return Response(200, "application/json", begun.answer, cookies=[cookie])


def _browser() -> str | None:
    kept = [part.strip().partition("=") for part in app.current_event.raw_event.get("cookies") or []]
    return next((value for name, _, value in kept if name == COOKIE), None)


Browser = Annotated[str | None, Depends(_browser)]
State = Annotated[str, Query(min_length=1, max_length=200)]
Code = Annotated[str | None, Query(max_length=4_000)]
ProviderError = Annotated[str | None, Query(max_length=1_000)]
IssuerOfAnswer = Annotated[str | None, Query(max_length=1_000)]
