"""Errors of authentication. The authorizer imports this module: no pydantic and no rows here."""

from weconnect.errors import (
    BadRequest,
    Conflict,
    FieldError,
    Forbidden,
    Invalid,
    LimitReached,
    NotFound,
    Unauthenticated,
)

# Credentials of a request


class InvalidAccessToken(Unauthenticated):
    """The access token is malformed, or its signature does not match."""

    code, title = "invalid_token", "The access token is not valid"


class AccessTokenExpired(Unauthenticated):
    """The access token has expired. Exchange the refresh token for a new one."""

    code, title = "token_expired", "The access token has expired"


class InvalidApiKey(Unauthenticated):
    """The API key does not exist or was revoked."""

    code, title = "invalid_api_key", "This API key does not exist or was revoked"


class ApiKeyExpired(Unauthenticated):
    """The API key has expired."""

    code, title = "api_key_expired", "This API key has expired"


class IpNotAllowed(Forbidden):
    """The API key is restricted to other network addresses than the one of the request."""

    code, title = "ip_not_allowed", "This API key may not be used from this address"


class WrongOrganization(Forbidden):
    """`X-Organization-Id` names another organization than the one that the credentials are for."""

    code, title = (
        "wrong_organization",
        "X-Organization-Id does not match the organization of these credentials",
    )


class RateLimited(LimitReached):
    """A rate limit of the API key, the user or the organization is used up. `Retry-After` gives the seconds to wait."""

    code, title = "rate_limited", "Rate limit reached"


# Sign-in and registration


class WrongCredentials(Unauthenticated):
    """The address or the password is wrong. An account with too many failures gets the same response for a while."""

    code, title = "wrong_credentials", "Wrong e-mail address or password"


class MfaRequired(Unauthenticated):
    """The user's second factor is on, and the request has no `mfaCode`."""

    code, title = "mfa_required", "Second factor required"


class WrongMfaCode(Unauthenticated):
    """The code of the second factor is wrong or was used before."""

    code, title = "invalid_mfa_code", "The code is wrong or was used before"


class TooManyRegistrations(LimitReached):
    """Too many registrations came from this network within a minute. `Retry-After` gives the seconds to wait."""

    code, title = "too_many_registrations", "Too many registrations"


class EmailTaken(Conflict):
    """Another account has this e-mail address."""

    code, title = "email_taken", "An account with this e-mail address already exists"


class InvalidOneTimeToken(BadRequest):
    """The token from a mail is unknown, was used, or has expired, or belongs to another action."""

    code, title = "invalid_token", "Invalid token"

    def __init__(self) -> None:
        super().__init__("This token is not valid, was used, or has expired. Request a new mail.")


# Sessions


class InvalidRefreshToken(Unauthenticated):
    """The refresh token is malformed, or its signature does not match."""

    code, title = "invalid_refresh_token", "Invalid refresh token"


class RefreshTokenReused(Unauthenticated):
    """The refresh token was exchanged before, so that a copy of it must exist. The session was ended."""

    code, title = "refresh_token_reused", "Refresh token reused"


class SessionEnded(Unauthenticated):
    """The session was ended, or the identity provider that it depends on was changed."""

    code, title = "session_ended", "Session ended"

    def __init__(self, detail: str = "The session has ended. Sign in again.") -> None:
        super().__init__(detail)


class SessionExpired(Unauthenticated):
    """The session is older than the session timeout of the organization."""

    code, title = "session_expired", "Session expired"


class SessionNotFound(NotFound):
    """The caller has no such session."""

    code, title = "session_not_found", "Session not found"


class ApiKeyNotAllowed(Forbidden):
    """The operation is only for people who signed in, not for API keys."""

    code, title = "api_key_not_allowed", "Not open to API keys"


class SsoSession(Forbidden):
    """A session of single sign-on reaches only the organization whose identity provider opened it."""

    code, title = "sso_session", "This single sign-on session is limited to its organization"


class SsoRequired(Forbidden):
    """The organization accepts single sign-on only."""

    code, title = "sso_required", "This organization requires single sign-on"


class SsoNotForOwners(Forbidden):
    """Owners may use single sign-on only when an owner configured the identity provider."""

    code, title = "sso_not_for_owners", "Owners may not sign in through this identity provider"


class OperatorAddress(Forbidden):
    """An operator's address is not proved by a confirmation while the account has a password: request a new one."""

    code, title = "operator_address", "An operator's address is proved by a new password"


# The user's own account


class WrongPassword(Invalid):
    """The password is not the caller's current one."""

    code, title = "wrong_password", "This is not your current password"


class InvalidMfaCode(Invalid):
    """The code of the second factor is wrong or was used before."""

    code, title = "invalid_mfa_code", "The code is wrong or was used before"


class ConfirmationRequired(Forbidden):
    """The operation cannot be taken back: the body needs the caller's `password`, or an `mfaCode`."""

    code, title = "confirmation_required", "Confirm this with your password or second factor"


class SignInAgain(Forbidden):
    """The operation cannot be taken back. Without a password it needs a sign-in of the last five minutes."""

    code, title = "sign_in_again", "Sign in again to confirm this"


class MfaAlreadyEnabled(Conflict):
    """The second factor is on. Turn it off before you enroll another one."""

    code, title = "mfa_enabled", "Second factor is on"


class MfaNotEnrolling(Conflict):
    """No second factor waits for its confirmation. Enroll one first."""

    code, title = "mfa_not_enrolling", "No enrollment to confirm"


class MfaNotEnabled(Conflict):
    """The second factor is not on."""

    code, title = "mfa_not_enabled", "Second factor is not on"


class SecondFactorNotFound(NotFound):
    """The user has no second factor."""

    code, title = "second_factor_not_found", "Second factor not found"


class OwnRole(Conflict):
    """Operators cannot take the operator role from themselves, or deactivate themselves."""

    code, title = "own_role", "Own operator role"


# API keys and execution limits


class ApiKeyLimitReached(LimitReached):
    """The member has as many API keys in this organization as its plan allows."""

    code, title = "api_key_limit_reached", "Too many API keys"


class ApiKeyNotFound(NotFound):
    """No such API key exists, or the caller may not see it."""

    code, title = "api_key_not_found", "API key not found"


class ApiKeyRotated(Conflict):
    """The API key was rotated already. Rotate its successor."""

    code, title = "api_key_rotated", "API key already rotated"


class ScopeNotHeld(Forbidden):
    """An API key can only have scopes that its creator has. `errors` names each scope that is missing."""

    code, title = "scope_not_held", "An API key can only have scopes that you have yourself"


class ExecutionLimitNotFound(NotFound):
    """The member has no execution limit of this type."""

    code, title = "execution_limit_not_found", "Execution limit not found"


class ExecutionLimitReached(LimitReached):
    """A limit of the member or of the organization's plan is used up. `Retry-After` gives the seconds to wait."""

    code, title = "execution_limit_reached", "Execution limit reached"


# Single sign-on


class SsoFailed(BadRequest):
    """The identity provider's response was refused. The detail says why, for whoever configured the provider."""

    code, title = "sso_failed", "Single sign-on failed"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The identity provider's response was refused: {reason}")


class InvalidIssuer(Invalid):
    """The issuer cannot be used for single sign-on. The detail says why."""

    code, title = "invalid_issuer", "Invalid issuer"

    def __init__(self, reason: str) -> None:
        errors: list[FieldError] = [{"pointer": "/issuer", "detail": reason}]
        super().__init__(f"This issuer cannot be used for single sign-on: {reason}", errors=errors)


class InvalidSsoState(BadRequest):
    """The sign-in is unknown, was used, has expired, or was started in another browser."""

    code, title = "invalid_sso_state", "Invalid sign-in state"

    def __init__(self) -> None:
        super().__init__("This sign-in is unknown, was used, or has expired. Start again in this browser.")


class SsoNotFound(NotFound):
    """No organization with single sign-on matches the slug or the e-mail address."""

    code, title = "sso_not_found", "Single sign-on is not available for this organization or address"


class SsoEnforced(Conflict):
    """The identity provider cannot be removed while single sign-on is enforced."""

    code, title = "sso_enforced", "Single sign-on is enforced"


class IdentityProviderNotFound(NotFound):
    """The organization has no identity provider."""

    code, title = "identity_provider_not_found", "This organization has no identity provider"


class IdentityProviderNotConfirmed(Forbidden):
    """Whoever set the identity provider may not set it any more, and no owner has confirmed it."""

    code, title = "identity_provider_not_confirmed", "The identity provider must be set again"


class AccountExists(Forbidden):
    """An account with this address exists outside of the organization, and the provider cannot vouch for it."""

    code, title = "account_exists", "An account with this address exists outside of the organization"


class IdentityMismatch(Forbidden):
    """The identity provider gave the address of this user to another person."""

    code, title = "identity_mismatch", "This address belongs to another person at the identity provider"
