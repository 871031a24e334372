"""Request bodies and responses of the routes of authentication, of the user's own account and of API keys."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field

from weconnect.base_entity import ApiModel, NewName, trimmed_text
from weconnect.identity import passwords
from weconnect.identity.email_addresses import Email
from weconnect.identity.entities import (
    ApiKey,
    ApiKeyPermissions,
    ExecutionLimit,
    Preferences,
    RateLimits,
    User,
    UserRole,
)
from weconnect.identity.permissions import ALL_PERMISSIONS, EVERYTHING
from weconnect.organizations.entities import Organization, OrganizationMember
from weconnect.organizations.schemas import MemberChanges, NewInvitation
from weconnect.texts import require_visible


def _require_permission(scope: str) -> str:
    """Return the scope. Raises ValueError unless it is a permission or `*`."""
    if scope != EVERYTHING and scope not in ALL_PERMISSIONS:
        raise ValueError("must be a permission such as agents:read, or *")
    return scope


PersonName = Annotated[str, trimmed_text(100), AfterValidator(require_visible)]
Secret = Annotated[str, Field(min_length=1, max_length=passwords.MAX_LENGTH)]
Password = Annotated[str, Field(min_length=passwords.MIN_LENGTH, max_length=passwords.MAX_LENGTH)]
Scope = Annotated[str, Field(max_length=100), AfterValidator(_require_permission)]
OneTimeToken = Annotated[str, Field(min_length=1, max_length=200)]
MfaCode = Annotated[str, Field(min_length=6, max_length=40, description="Six digits, or a recovery code")]
Avatar = Annotated[str, Field(max_length=500, pattern=r"^https?://\S+$")]


# Registration and sign-in


class NewUser(ApiModel):
    """A registration; the role is always `user`. With the `invitation_token` from a mail it joins that organization."""

    email: Email
    password: Password
    first_name: PersonName
    last_name: PersonName
    organization_name: NewName | None = None
    invitation_token: OneTimeToken | None = None


class Login(ApiModel):
    """A sign-in to `organization_id`, or else to the user's current organization.

    `mfa_code` is required when the user's second factor is on.
    """

    email: Annotated[str, Field(max_length=255)]
    password: Secret
    mfa_code: str | None = Field(default=None, max_length=40)
    organization_id: UUID | None = None


class Refresh(ApiModel):
    """A refresh token to be exchanged; `organization_id` requests tokens for another organization."""

    refresh_token: Annotated[str, Field(max_length=1_000)]
    organization_id: UUID | None = None


class Logout(ApiModel):
    """A sign-out from the current session, or from all sessions with `everywhere`."""

    everywhere: bool = False


class Tokens(ApiModel):
    """An access token for one organization, valid for `expires_in` seconds, and the refresh token that renews it."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int


class Registration(Tokens):
    """The new user, signed in to the new personal organization."""

    user: User
    organization: Organization


class EmailVerification(ApiModel):
    """A confirmation of an e-mail address with the `token` from the mail."""

    token: OneTimeToken


class MailRequest(ApiModel):
    """The address to send a mail to; the response does not reveal whether it has an account."""

    email: Email


class PasswordReset(ApiModel):
    """A new password, set with the `token` from the mail."""

    token: OneTimeToken
    password: Password


class PasswordChange(ApiModel):
    """A new password, set with the current one."""

    current_password: Secret
    new_password: Password


# The user's own account


class Session(ApiModel):
    """A sign-in that can be renewed until `expires_at`; `current` marks the session of this request."""

    id: UUID
    organization_id: UUID
    created_at: AwareDatetime
    last_used_at: AwareDatetime
    expires_at: AwareDatetime
    ip: str | None = None
    user_agent: str | None = None
    mfa: bool = False
    current: bool = False


class MfaEnrollment(ApiModel):
    """A new second factor, shown this once. `uri` is for an authenticator app; each recovery code works once."""

    secret: str
    uri: str
    recovery_codes: list[str]


class MfaConfirmation(ApiModel):
    """The first code of a new second factor, with the password, which a user who has none leaves out."""

    code: MfaCode
    password: Secret | None = None


class MfaDisabling(ApiModel):
    """The password and a code of the second factor that is to be turned off."""

    password: Secret
    code: MfaCode


class Confirmation(ApiModel):
    """The caller's password, or a code of their second factor, for what cannot be taken back."""

    password: Secret | None = None
    mfa_code: MfaCode | None = None


class OwnershipTransfer(Confirmation):
    """The member who becomes an owner, while the caller becomes an admin; with the caller's confirmation."""

    user_id: UUID


class ConfirmedMemberChanges(MemberChanges, Confirmation):
    """Fields to change. The role `owner` needs the caller's confirmation: `password` or `mfa_code`.

    A null `custom_role_id` removes the custom role; `permissions` are replaced as a whole.
    """


class ConfirmedInvitation(NewInvitation, Confirmation):
    """The address to invite, with its role and permissions in the organization.

    The role `owner` needs the caller's confirmation: `password` or `mfa_code`.
    """


class UserChanges(ApiModel):
    """Changes to the caller's own profile. A new `email` needs `current_password`, and counts once it is verified."""

    first_name: PersonName | None = None
    last_name: PersonName | None = None
    avatar: Avatar | None = None
    preferences: Preferences | None = None
    email: Email | None = None
    current_password: Secret | None = None


class UserAdministration(ApiModel):
    """Changes that operators may make to a user."""

    role: UserRole | None = None
    is_active: bool | None = None


class UserExport(ApiModel):
    """All stored data about a person, without secrets."""

    exported_at: AwareDatetime
    user: User
    memberships: list[OrganizationMember]
    sessions: list[Session]
    api_keys: list[ApiKey]
    execution_limits: list[ExecutionLimit]


# API keys and execution limits


class NewApiKey(ApiModel):
    """An API key to create, with at least one scope; without `permissions` it may only read."""

    name: NewName
    scopes: list[Scope] = Field(min_length=1, max_length=len(ALL_PERMISSIONS) + 1)
    permissions: ApiKeyPermissions = ApiKeyPermissions(can_read=True)
    expires_at: AwareDatetime | None = None
    rate_limits: RateLimits = RateLimits()


class CreatedApiKey(ApiKey):
    """A new API key with its text, which is shown this once."""

    key: str


class ApiKeyChanges(ApiModel):
    """Changes to an API key; a missing field stays. `permissions` and `rate_limits` are replaced as a whole."""

    name: NewName | None = None
    scopes: list[Scope] | None = Field(default=None, min_length=1, max_length=len(ALL_PERMISSIONS) + 1)
    permissions: ApiKeyPermissions | None = None
    rate_limits: RateLimits | None = None
    is_active: bool | None = None
    expires_at: AwareDatetime | None = None


class ApiKeyRotation(ApiModel):
    """The seconds for which the old key works beside its successor, and the expiry of the successor."""

    overlap_seconds: int = Field(default=86_400, ge=0, le=7 * 86_400)
    expires_at: AwareDatetime | None = None


class ExecutionLimitChanges(ApiModel):
    """The settings of an execution limit."""

    max_executions: int = Field(ge=0, le=1_000_000_000)
    is_active: bool = True


class ExecutionLimits(ApiModel):
    """The execution limits of a member, at most one of each type."""

    items: list[ExecutionLimit]
