"""Users, API keys and execution limits, with the seed's fields, and the bodies of the auth routes."""

import ipaddress
import re
import unicodedata
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, computed_field

from weconnect import clock
from weconnect.auth.login import passwords
from weconnect.base_entity import BaseEntity, TenantEntity, Wire
from weconnect.identity.permissions import EVERYTHING, WORDS
from weconnect.organizations.entities import Organization


class UserRole(StrEnum):
    ADMIN = "admin"
    USER = "user"
    READONLY = "readonly"
    GUEST = "guest"


class LimitType(StrEnum):
    HOURLY = "hourly"
    DAILY = "daily"
    MONTHLY = "monthly"
    YEARLY = "yearly"


_ADDRESS = re.compile(r"[^\s@\x00-\x1f\x7f]{1,64}@[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*")


def normal_email(text: str) -> str:
    """An address as we keep and compare it: NFKC, lower case, the domain in IDNA."""
    local, at, domain = unicodedata.normalize("NFKC", text).strip().lower().rpartition("@")
    try:
        address = f"{local}{at}{domain.encode('idna').decode()}"
    except UnicodeError:
        address = ""
    if not _ADDRESS.fullmatch(address):
        raise ValueError("must be an e-mail address")
    return address


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text.strip(), strict=False))
    except ValueError:
        raise ValueError("must be an IP address or a CIDR range, such as 203.0.113.0/24") from None


def _scope(word: str) -> str:
    if word != EVERYTHING and word not in WORDS:
        raise ValueError("must be a permission such as agents:read, or *")
    return word


Email = Annotated[str, Field(max_length=255), AfterValidator(normal_email)]
PersonName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
Secret = Annotated[str, Field(min_length=1, max_length=passwords.MAX_LENGTH)]
Password = Annotated[str, Field(min_length=passwords.MIN_LENGTH, max_length=passwords.MAX_LENGTH)]
Scope = Annotated[str, Field(max_length=100), AfterValidator(_scope)]
IpRange = Annotated[str, Field(max_length=50), AfterValidator(_network)]
RequestLimit = Annotated[int, Field(ge=1, le=1_000_000_000)]


class Notifications(Wire):
    email: bool | None = None
    push: bool | None = None
    workflow: bool | None = None


class Preferences(Wire):
    theme: Literal["light", "dark"] | None = None
    language: str | None = Field(default=None, max_length=35)
    timezone: str | None = Field(default=None, max_length=64)
    notifications: Notifications | None = None


class UserMetadata(Wire):
    login_count: int | None = None
    last_ip_address: str | None = None
    user_agent: str | None = None
    signup_source: str | None = None


class PublicUser(BaseEntity):
    """A user without the password's hash."""

    email: str = Field(max_length=255)
    first_name: str = Field(max_length=100)
    last_name: str = Field(max_length=100)
    role: UserRole = UserRole.USER
    is_active: bool = True
    email_verified: bool = False
    mfa_enabled: bool = False
    current_organization_id: UUID | None = None
    last_login_at: AwareDatetime | None = None
    password_changed_at: AwareDatetime | None = None
    avatar: str | None = Field(default=None, max_length=500)
    preferences: Preferences = Preferences()
    metadata: UserMetadata = UserMetadata()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def full_name(self) -> str:
        return f"{self.first_name} {self.last_name}"


class User(PublicUser):
    """A user as stored; `password` is a bcrypt hash."""

    password: str = Field(max_length=255, repr=False)

    def validate_password(self, password: str) -> bool:
        """Whether `password` is this user's."""
        return passwords.matches(password, self.password)

    def public(self) -> PublicUser:
        """The user as others may see it."""
        return PublicUser(**{name: getattr(self, name) for name in PublicUser.model_fields})


class ApiKeyPermissions(Wire):
    """Flags that are absent grant nothing; without `restricted_ips` every address may use the key."""

    can_read: bool | None = None
    can_write: bool | None = None
    can_delete: bool | None = None
    can_execute: bool | None = None
    restricted_ips: list[IpRange] | None = Field(
        default=None, alias="restrictedIPs", min_length=1, max_length=50
    )


class RateLimits(Wire):
    requests_per_minute: RequestLimit | None = None
    requests_per_hour: RequestLimit | None = None
    requests_per_day: RequestLimit | None = None


class PublicApiKey(TenantEntity):
    """An API key without its text or hash. It acts as its user, in its organization, within its scopes."""

    name: str = Field(max_length=255)
    key_prefix: str = Field(max_length=8)
    scopes: list[str] = Field(default=[])
    is_active: bool = True
    expires_at: AwareDatetime | None = None
    last_used_at: AwareDatetime | None = None
    usage_count: int = 0
    rate_limits: RateLimits = RateLimits()
    permissions: ApiKeyPermissions = ApiKeyPermissions()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and clock.now() > self.expires_at


class ApiKey(PublicApiKey):
    """An API key as stored; `key_hash` is the SHA-256 of its text in hex."""

    key_hash: str = Field(max_length=64, repr=False)

    def public(self) -> PublicApiKey:
        """The key as its owner may see it later."""
        return PublicApiKey(**{name: getattr(self, name) for name in PublicApiKey.model_fields})


class CreatedApiKey(PublicApiKey):
    """A new API key with its text, which is shown this once."""

    key: str


class NewApiKey(Wire):
    """At least one scope; without `permissions` the key may only read."""

    name: Name
    scopes: list[Scope] = Field(min_length=1, max_length=len(WORDS) + 1)
    permissions: ApiKeyPermissions = ApiKeyPermissions(can_read=True)
    expires_at: AwareDatetime | None = None
    rate_limits: RateLimits = RateLimits()


class ApiKeyChanges(Wire):
    """Fields to change; a missing one stays. `permissions` and `rate_limits` are replaced whole."""

    name: Name | None = None
    scopes: list[Scope] | None = Field(default=None, min_length=1, max_length=len(WORDS) + 1)
    permissions: ApiKeyPermissions | None = None
    rate_limits: RateLimits | None = None
    is_active: bool | None = None
    expires_at: AwareDatetime | None = None


class ApiKeyRotation(Wire):
    """How long the old key works beside its successor, and when the successor ends."""

    overlap_seconds: int = Field(default=86_400, ge=0, le=7 * 86_400)
    expires_at: AwareDatetime | None = None


class ExecutionLimit(TenantEntity):
    """How many runs a member may start in the current hour, day, month or year (UTC)."""

    limit_type: LimitType
    max_executions: int = Field(ge=0)
    current_executions: int = 0
    period_start: AwareDatetime
    period_end: AwareDatetime
    is_active: bool = True

    @computed_field  # type: ignore[prop-decorator]
    @property
    def is_exceeded(self) -> bool:
        return self.current_executions >= self.max_executions

    @computed_field  # type: ignore[prop-decorator]
    @property
    def remaining_executions(self) -> int:
        return max(0, self.max_executions - self.current_executions)


class ExecutionLimitChanges(Wire):
    max_executions: int = Field(ge=0, le=1_000_000_000)
    is_active: bool = True


class ExecutionLimits(Wire):
    """A member's limits; at most one of each type."""

    items: list[ExecutionLimit]


class NewUser(Wire):
    """A registration; the role is always `user`. With an `invitation_token` from a mail it joins that organization."""

    email: Email
    password: Password
    first_name: PersonName
    last_name: PersonName
    organization_name: Name | None = None
    invitation_token: Annotated[str, Field(min_length=1, max_length=200)] | None = None


class Login(Wire):
    """Signs in to `organization_id`, else to the user's current organization; `mfa_code` where it is asked for."""

    email: Annotated[str, Field(max_length=255)]
    password: Secret
    mfa_code: str | None = Field(default=None, max_length=40)
    organization_id: UUID | None = None


class Refresh(Wire):
    """`organization_id` asks for a token for another organization."""

    refresh_token: Annotated[str, Field(max_length=1_000)]
    organization_id: UUID | None = None


class Logout(Wire):
    everywhere: bool = False


class EmailVerification(Wire):
    """`token` is the one from the mail."""

    token: Annotated[str, Field(min_length=1, max_length=200)]


class Tokens(Wire):
    """An access token for one organization, for `expires_in` seconds, and what renews it."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int


class Registration(Tokens):
    """The new user, signed in to the new personal organization."""

    user: PublicUser
    organization: Organization
