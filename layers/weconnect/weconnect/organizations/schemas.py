"""Bodies and responses of the organizations' routes other than entities."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, field_validator

from weconnect import registry_index
from weconnect.base_entity import ApiModel, JsonObject, NewName, with_fields
from weconnect.identity.email_addresses import Email
from weconnect.identity.permissions import ALL_PERMISSIONS
from weconnect.organizations.entities import (
    Address,
    BillingInfo,
    CustomRole,
    CustomSettings,
    Invitation,
    LimitedByPlan,
    LimitEvent,
    MailDomain,
    Member,
    Organization,
    OrganizationPlan,
    OrganizationRole,
    PlanLimits,
    Slug,
)
from weconnect.organizations.member_permissions import MemberPermissions

MAX_DOMAIN_LENGTH = 240  # DNS allows 253 characters, with the label of the TXT record
_DOMAIN = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*")


def normalize_domain(text: str) -> str:
    """Return a domain in lower case and IDNA, as it appears at the end of a normalized e-mail address."""
    try:
        domain = text.strip().lower().encode("idna").decode()
    except UnicodeError:
        domain = ""
    if not _DOMAIN.fullmatch(domain):
        raise ValueError("must be a domain, such as example.com")
    return domain


def normalize_own_domain(text: str) -> str:
    """Return the normalized domain. Raises ValueError also for a name without a dot, which nobody registers."""
    domain = normalize_domain(text)
    if "." not in domain or len(domain) > MAX_DOMAIN_LENGTH:
        raise ValueError("must be a domain, such as example.com")
    return domain


def _check_permission(permission: str) -> str:
    """Return the permission. Raises ValueError unless it exists."""
    if permission not in ALL_PERMISSIONS:
        raise ValueError("must be a permission such as agents:read")
    return permission


Description = Annotated[str, Field(max_length=10_000)]
Website = Annotated[str, Field(max_length=255, pattern=r"^https?://\S+$")]
RoleName = Annotated[NewName, Field(max_length=100)]
PermissionList = Annotated[
    list[Annotated[str, Field(max_length=100), AfterValidator(_check_permission)]],
    Field(max_length=len(ALL_PERMISSIONS)),
]
InvitationSecret = Annotated[str, Field(min_length=1, max_length=200)]


class NewOrganization(ApiModel):
    """A new organization. Without a `slug` one is derived from the name."""

    name: NewName
    slug: Slug | None = Field(default=None, min_length=3)
    description: Description | None = None
    logo: Address | None = None
    website: Website | None = None


class OrganizationChanges(ApiModel):
    """Fields to change. A missing field stays as it is; null clears it.

    Each part of `custom_settings` (branding, security, workflow) is replaced as a whole; a missing part stays.
    """

    name: NewName | None = None
    slug: Slug | None = Field(default=None, min_length=3)
    description: Description | None = None
    logo: Address | None = None
    website: Website | None = None
    custom_settings: CustomSettings | None = None
    billing_info: BillingInfo | None = None

    @field_validator("custom_settings")
    @classmethod
    def _normalize_domains(cls, settings: CustomSettings | None) -> CustomSettings | None:
        """Return the settings with their allowed domains normalized, each once."""
        if settings and settings.security and settings.security.allowed_domains:
            domains = [normalize_domain(text) for text in settings.security.allowed_domains]
            settings.security.allowed_domains = list(dict.fromkeys(domains))
        return settings


class MemberChanges(ApiModel):
    """Fields to change. A null `custom_role_id` removes the custom role; `permissions` are replaced as a whole."""

    role: OrganizationRole | None = None
    custom_role_id: UUID | None = None
    permissions: MemberPermissions | None = None
    is_active: bool | None = None


class Role(ApiModel):
    """A role: one of the four built-in ones, whose ID is its name, or a custom one."""

    id: str
    name: str
    description: str | None = None
    permissions: list[str]
    is_custom: bool
    member_count: int | None = None
    created_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = None
    version: int = 1


class RoleList(ApiModel):
    """All roles of an organization: the four built-in ones, then the custom ones by name."""

    items: list[Role]


class NewRole(ApiModel):
    """A new custom role. It replaces the built-in role of a member who has it."""

    name: RoleName
    description: Description | None = None
    permissions: PermissionList


class RoleChanges(ApiModel):
    """Fields to change. A missing field stays as it is."""

    name: RoleName | None = None
    description: Description | None = None
    permissions: PermissionList | None = None


class NewInvitation(ApiModel):
    """The address to invite, with its role and permissions in the organization."""

    email: Email
    role: OrganizationRole = OrganizationRole.MEMBER
    custom_role_id: UUID | None = None
    permissions: MemberPermissions = MemberPermissions()


class SentInvitation(Invitation):
    """An invitation. `token` is present only where the deployment sends no mail; hand it over yourself."""

    token: str | None = None


class InvitationToken(ApiModel):
    """The token from the invitation's mail."""

    token: InvitationSecret


class ResourceUsage(ApiModel):
    """The use of one limit; a limit of -1 means unlimited."""

    resource: str
    used: int
    limit: int
    percent: float | None = None


class OrganizationUsage(ApiModel):
    """The executions of this month, the number of each resource, and the thresholds reached this month."""

    month: str
    period_start: AwareDatetime
    period_end: AwareDatetime
    plan: OrganizationPlan
    resources: list[ResourceUsage]
    events: list[LimitEvent]


class NewPlan(LimitedByPlan):
    """The plan to set. `plan_limits` override the plan's own; null or missing removes an override."""


class PlanChange(ApiModel):
    """The effect of a plan. `over` lists resources that exceed its limits: they stay, but none can be added."""

    plan: OrganizationPlan
    limits: PlanLimits
    over: list[ResourceUsage]
    applied: bool
    version: int


class CheckoutRequest(ApiModel):
    """The plan to subscribe to."""

    plan: Literal[OrganizationPlan.STARTER, OrganizationPlan.PRO, OrganizationPlan.ENTERPRISE]


class BillingLink(ApiModel):
    """The URL to open in the browser."""

    url: str


@dataclass(frozen=True)
class SignedBody:
    """The unchanged text of a request's body, with its `Stripe-Signature` header."""

    text: str
    signature: str


class EventReceipt(ApiModel):
    """The confirmation that an event was received."""

    received: Literal[True] = True


class DomainList(ApiModel):
    """The mail domains of an organization, in the order of the alphabet."""

    items: list[MailDomain]


@with_fields(
    {
        field: (list[JsonObject], Field(description=text))
        for field, text in registry_index.EXPORT_DESCRIPTIONS.items()
    }
)
class OrganizationExport(ApiModel):
    """The exportable data of an organization."""

    exported_at: AwareDatetime
    organization: Organization
    members: list[Member]
    roles: list[CustomRole]
    invitations: list[Invitation]
    domains: list[MailDomain]


class ExportResult(ApiModel):
    """The export itself, or a URL of a longer one that works for ten minutes; `bytes` is its length as JSON."""

    bytes: int
    data: OrganizationExport | None = None
    url: str | None = None
    expires_at: AwareDatetime | None = None
