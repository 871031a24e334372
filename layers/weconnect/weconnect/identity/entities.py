"""Users, API keys, execution limits and identity providers, with the fields of the data model.

An entity that holds a secret exists twice: under its own name as the API shows it, and with the prefix `Stored` as the
table holds it.
"""

import ipaddress
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, computed_field

from weconnect import clock
from weconnect.base_entity import ApiModel, BaseEntity, TenantEntity
from weconnect.identity import passwords


class UserRole(StrEnum):
    """The role of a user in the whole deployment, unlike the role in an organization."""

    ADMIN = "admin"
    USER = "user"
    READONLY = "readonly"
    GUEST = "guest"


class LimitType(StrEnum):
    """The calendar period (UTC) that an execution limit counts in."""

    HOURLY = "hourly"
    DAILY = "daily"
    MONTHLY = "monthly"
    YEARLY = "yearly"


def _normalize_network(text: str) -> str:
    """Return an IP address or CIDR range as a CIDR range. Raises ValueError."""
    try:
        return str(ipaddress.ip_network(text.strip(), strict=False))
    except ValueError:
        raise ValueError("must be an IP address or a CIDR range, such as 203.0.113.0/24") from None


IpRange = Annotated[str, Field(max_length=50), AfterValidator(_normalize_network)]
RequestLimit = Annotated[int, Field(ge=1, le=1_000_000_000)]


class Notifications(ApiModel):
    """The channels on which a user wants to be notified."""

    email: bool | None = None
    push: bool | None = None
    workflow: bool | None = None


class Preferences(ApiModel):
    """A user's settings for the front end."""

    theme: Literal["light", "dark"] | None = None
    language: str | None = Field(default=None, max_length=35)
    timezone: str | None = Field(default=None, max_length=64)
    notifications: Notifications | None = None


class UserMetadata(ApiModel):
    """The number of a user's sign-ins, the client of the last one, and the route of the registration."""

    login_count: int | None = None
    last_ip_address: str | None = None
    user_agent: str | None = None
    signup_source: str | None = None


class User(BaseEntity):
    """A user, without the hash of the password."""

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


class StoredUser(User):
    """A user as the table holds it; `password` is a bcrypt hash."""

    password: str = Field(max_length=255, repr=False)

    def validate_password(self, password: str) -> bool:
        """Return whether `password` is this user's password."""
        return passwords.is_match(password, self.password)

    def public(self) -> User:
        """Return the user without the hash of the password."""
        return User(**{name: getattr(self, name) for name in User.model_fields})


class ApiKeyPermissions(ApiModel):
    """Actions that an API key may perform; a missing flag grants nothing.

    Without `restricted_ips` the key works from every address.
    """

    can_read: bool | None = None
    can_write: bool | None = None
    can_delete: bool | None = None
    can_execute: bool | None = None
    restricted_ips: list[IpRange] | None = Field(
        default=None, alias="restrictedIPs", min_length=1, max_length=50
    )


class RateLimits(ApiModel):
    """The numbers of requests that an API key may make in a minute, an hour and a day of the clock (UTC)."""

    requests_per_minute: RequestLimit | None = None
    requests_per_hour: RequestLimit | None = None
    requests_per_day: RequestLimit | None = None


class ApiKey(TenantEntity):
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


class StoredApiKey(ApiKey):
    """An API key as the table holds it; `key_hash` is the SHA-256 of its text in hex."""

    key_hash: str = Field(max_length=64, repr=False)

    def public(self) -> ApiKey:
        """Return the key without its hash."""
        return ApiKey(**{name: getattr(self, name) for name in ApiKey.model_fields})


class ExecutionLimit(TenantEntity):
    """The number of executions that a member may start in the current hour, day, month or year (UTC)."""

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


class EmailTrust(StrEnum):
    """The source that vouches for an address: the claim `email_verified`, or the issuer in the proved mail domains."""

    CLAIM = "claim"
    ISSUER = "issuer"


class IdentityProvider(TenantEntity):
    """An organization's OIDC provider, without its client secret; `user_id` is the user who configured it.

    Register `redirect_uri` at the provider. `signs_in_owners` is true only when an owner configured the provider.
    `email_trust` says what vouches for an address: the claim `email_verified`, or, for providers that send none (Entra
    ID), the issuer itself in the mail domains that the organization proved.
    """

    issuer: str
    client_id: str
    signs_in_owners: bool = False
    email_trust: EmailTrust = EmailTrust.CLAIM
    redirect_uri: str = ""
