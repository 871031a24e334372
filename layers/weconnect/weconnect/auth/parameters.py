"""Parameter types of the routes of authentication, and the cookie of single sign-on."""

from typing import Annotated
from uuid import UUID

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.depends import Depends
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from aws_lambda_powertools.shared.cookies import Cookie, SameSite
from pydantic import AwareDatetime

from weconnect.api.caller import OPERATOR, Caller, RequestInfo, SignedIn, request_info, requires
from weconnect.api.parameters import path_id
from weconnect.api.resolver import app
from weconnect.auth.errors import ApiKeyNotAllowed, SsoSession
from weconnect.auth.sso.schemas import CALLBACK_PATH, SIGN_IN_SECONDS, SsoStarted, StartedSignIn
from weconnect.identity.entities import LimitType, UserRole
from weconnect.settings import settings


def _require_any_person(caller: SignedIn) -> Caller:
    """Return the caller. Raises ApiKeyNotAllowed for an API key."""
    if caller.api_key_id or not caller.session_id:
        raise ApiKeyNotAllowed("API keys may not do this. Sign in as a person.")
    return caller  # type: ignore[no-any-return]


def _require_person(caller: SignedIn) -> Caller:
    """Return the caller. Raises ApiKeyNotAllowed for an API key, SsoSession for single sign-on."""
    _require_any_person(caller)
    if caller.is_sso:
        raise SsoSession(
            "This single sign-on session is limited to its organization. Sign in with your password to reach your "
            "account and other organizations."
        )
    return caller  # type: ignore[no-any-return]


def _read_request_info() -> RequestInfo:
    """Return the origin of the current request."""
    return request_info(app.current_event.raw_event)


# A person who signed in with the password of their account: only they reach the account and other organizations.
Person = Annotated[Caller, Depends(_require_person)]
# A person, whichever way they signed in, for operations that stay within this organization.
AnyPerson = Annotated[Caller, Depends(_require_any_person)]
# An operator of the deployment: a user with the role `admin` and a verified address.
Operator = requires(OPERATOR)
Requester = Annotated[RequestInfo, Depends(_read_request_info)]
LimitTypePath = Annotated[LimitType, Path(alias="limitType")]
ApiKeyId = path_id("apiKeyId")
SessionId = path_id("sessionId")
RoleFilter = Annotated[UserRole | None, Query(description="Only users with this role")]
UserActiveFilter = Annotated[
    bool | None, Query(alias="isActive", description="Only active users, or only inactive ones")
]
CurrentOrganizationId = Annotated[
    UUID | None,
    Query(alias="currentOrganizationId", description="Only users whose current organization is this one"),
]
EmailFilter = Annotated[
    str | None, Query(alias="email", max_length=255, description="Only the user with this address")
]
UserFilter = Annotated[
    UUID | None, Query(alias="userId", description="Another member; requires organization:manage")
]
ExpiringBefore = Annotated[
    AwareDatetime | None,
    Query(
        alias="expiringBefore",
        description="The keys of all members that expire before this time, the earliest first; "
        "requires organization:manage",
    ),
]
ApiKeyActiveFilter = Annotated[
    bool | None, Query(alias="isActive", description="Only active keys, or only inactive ones")
]


# Single sign-on. The cookie ties a sign-in to the browser that started it. It is Lax, because the provider sends people
# back by a link, and is read from the payload's own list, where the gateway puts cookies.

COOKIE_NAME = "weconnect_sso"


def respond_with_cookie(started: StartedSignIn) -> Response[SsoStarted]:
    """Return the response to the start of a sign-in, with the cookie for its browser."""
    cookie = Cookie(
        name=COOKIE_NAME,
        value=started.browser_secret,
        path=CALLBACK_PATH,
        secure=not settings.is_local,
        http_only=True,
        max_age=SIGN_IN_SECONDS,
        same_site=SameSite.LAX_MODE,
    )
    return Response(200, "application/json", started.response, cookies=[cookie])


def _read_browser_secret() -> str | None:
    """Return the secret in the sign-in cookie of the current request, or None without the cookie."""
    cookies = [part.strip().partition("=") for part in app.current_event.raw_event.get("cookies") or []]
    return next((value for name, _, value in cookies if name == COOKIE_NAME), None)


BrowserSecret = Annotated[str | None, Depends(_read_browser_secret)]
State = Annotated[
    str, Query(min_length=1, max_length=200, description="The `state` of the authorization request")
]
Code = Annotated[str | None, Query(max_length=4_000, description="The authorization code")]
ProviderError = Annotated[
    str | None, Query(max_length=1_000, description="The error code of the identity provider")
]
CallbackIssuer = Annotated[str | None, Query(max_length=1_000, description="The issuer (RFC 9207)")]
