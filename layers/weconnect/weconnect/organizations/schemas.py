"""Roles, invitations and events as they are stored, and the bodies and answers of the organizations' routes."""

import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, computed_field, field_validator

from weconnect import clock
from weconnect.base_entity import BaseEntity, TenantEntity, Wire
from weconnect.identity.permissions import WORDS
from weconnect.organizations.entities import (
    Address,
    BillingInfo,
    CustomSettings,
    MemberPermissions,
    MemberView,
    Name,
    Organization,
    OrganizationPlan,
    OrganizationRole,
    PlanLimits,
    Slug,
)
from weconnect.workflows.entities import WorkflowExport

_DOMAIN = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*")


def normal_email(text: str) -> str:
    """An address as users have it."""
    from weconnect.auth.entities import normal_email as normal  # whose module imports ours

    return normal(text)


def normal_domain(text: str) -> str:
    """A domain in lower case and IDNA, as it stands at the end of a normal address."""
    try:
        domain = text.strip().lower().encode("idna").decode()
    except UnicodeError:
        domain = ""
    if not _DOMAIN.fullmatch(domain):
        raise ValueError("must be a domain, such as example.com")
    return domain


def _word(word: str) -> str:
    if word not in WORDS:
        raise ValueError("must be a permission such as agents:read")
    return word


Description = Annotated[str, Field(max_length=10_000)]
Website = Annotated[str, Field(max_length=255, pattern=r"^https?://\S+$")]
RoleName = Annotated[Name, Field(max_length=100)]
Words = Annotated[
    list[Annotated[str, Field(max_length=100), AfterValidator(_word)]], Field(max_length=len(WORDS))
]
InvitedEmail = Annotated[str, Field(max_length=255), AfterValidator(normal_email)]
InvitationSecret = Annotated[str, Field(min_length=1, max_length=200)]


class NewOrganization(Wire):
    """Without a `slug` one is made of the name."""

    name: Name
    slug: Slug | None = Field(default=None, min_length=3)
    description: Description | None = None
    logo: Address | None = None
    website: Website | None = None


class OrganizationChanges(Wire):
    """Fields to change; a missing one stays, null empties it.

    Each part of `custom_settings` (branding, security, workflow) is replaced whole; one that is missing stays.
    """

    name: Name | None = None
    slug: Slug | None = Field(default=None, min_length=3)
    description: Description | None = None
    logo: Address | None = None
    website: Website | None = None
    custom_settings: CustomSettings | None = None
    billing_info: BillingInfo | None = None

    @field_validator("custom_settings")
    @classmethod
    def _domains(cls, settings: CustomSettings | None) -> CustomSettings | None:
        if settings and settings.security and settings.security.allowed_domains:
            domains = [normal_domain(text) for text in settings.security.allowed_domains]
            settings.security.allowed_domains = list(dict.fromkeys(domains))
        return settings


class MemberChanges(Wire):
    """Fields to change; a null `custom_role_id` takes the custom role away. `permissions` is replaced whole."""

    role: OrganizationRole | None = None
    custom_role_id: UUID | None = None
    permissions: MemberPermissions | None = None
    is_active: bool | None = None


class OwnershipTransfer(Wire):
    """The member who becomes an owner; the caller stays as an admin."""

    user_id: UUID


class CustomRole(TenantEntity):
    """A named set of permissions; `member_count` counts the members and open invitations that have it."""

    name: str = Field(max_length=100)
    description: str | None = Field(default=None, max_length=10_000)
    permissions: list[str] = Field(default=[])
    member_count: int = 0


class RoleView(Wire):
    """A role: one of the four that every organization has, by its name, or a custom one by its id."""

    id: str
    name: str
    description: str | None = None
    permissions: list[str]
    is_custom: bool
    member_count: int | None = None
    created_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = None
    version: int = 1


class Roles(Wire):
    """All roles of an organization: the four, then the custom ones by name."""

    items: list[RoleView]


class NewRole(Wire):
    """A custom role takes the place of a member's own role when permissions are looked up."""

    name: RoleName
    description: Description | None = None
    permissions: Words


class RoleChanges(Wire):
    """Fields to change; a missing one stays."""

    name: RoleName | None = None
    description: Description | None = None
    permissions: Words | None = None


class NewInvitation(Wire):
    """Whom to invite, and what they will be here."""

    email: InvitedEmail
    role: OrganizationRole = OrganizationRole.MEMBER
    custom_role_id: UUID | None = None
    permissions: MemberPermissions = MemberPermissions()


class Invitation(BaseEntity):
    """An invitation that was not answered yet; `sent_at` is missing when no mail could be sent."""

    organization_id: UUID
    email: str = Field(max_length=255)
    role: OrganizationRole = OrganizationRole.MEMBER
    custom_role_id: UUID | None = None
    permissions: MemberPermissions = MemberPermissions()
    invited_by: UUID
    expires_at: AwareDatetime
    sent_at: AwareDatetime | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def is_expired(self) -> bool:
        return clock.now() >= self.expires_at


class SentInvitation(Invitation):
    """`token` is there only where the deployment sends no mail, to be handed over by other means."""

    token: str | None = None


class InvitationToken(Wire):
    """`token` is the one from the mail."""

    token: InvitationSecret


class LimitEvent(BaseEntity):
    """`limit.reached`: a resource came to `percent` of its limit."""

    type: Literal["limit.reached"] = "limit.reached"
    organization_id: UUID
    month: str
    resource: str
    percent: int
    used: int
    limit: int


class ResourceUsage(Wire):
    """How much of a limit is used; a limit of -1 is none."""

    resource: str
    used: int
    limit: int
    percent: float | None = None


class OrganizationUsage(Wire):
    """This month's executions, what there is of each resource, and the thresholds reached this month."""

    month: str
    period_start: AwareDatetime
    period_end: AwareDatetime
    plan: OrganizationPlan
    resources: list[ResourceUsage]
    events: list[LimitEvent]


class NewPlan(Wire):
    """`plan_limits` overrides the plan's own; null or missing takes an override away."""

    plan: OrganizationPlan
    plan_limits: PlanLimits | None = None


class PlanChange(Wire):
    """What a plan means here. `over` lists what there is more of than it allows: it stays, and none is added."""

    plan: OrganizationPlan
    limits: PlanLimits
    over: list[ResourceUsage]
    applied: bool
    version: int


class Checkout(Wire):
    """Which plan to subscribe to."""

    plan: Literal[OrganizationPlan.STARTER, OrganizationPlan.PRO, OrganizationPlan.ENTERPRISE]


class Link(Wire):
    """Where to send the browser."""

    url: str


@dataclass(frozen=True)
class SignedBody:
    """A body as it came, and the `Stripe-Signature` that it came with."""

    text: str
    signature: str


class Received(Wire):
    received: Literal[True] = True


class ExportedAgent(Wire):
    """An agent with what is its own; secrets are masked."""

    agent: dict[str, Any]
    tools: list[dict[str, Any]]
    memories: list[dict[str, Any]]


class OrganizationExport(Wire):
    """All that an organization can take along."""

    exported_at: AwareDatetime
    organization: Organization
    members: list[MemberView]
    roles: list[CustomRole]
    invitations: list[Invitation]
    agents: list[ExportedAgent]
    workflows: list[WorkflowExport]


class Export(Wire):
    """The export itself, or for ten minutes the address of a longer one; `bytes` is its length as JSON."""

    bytes: int
    data: OrganizationExport | None = None
    url: str | None = None
    expires_at: AwareDatetime | None = None
