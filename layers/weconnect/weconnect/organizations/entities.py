"""Organizations with their plans, members, roles and invitations, with the fields of the data model."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints, computed_field, model_validator
from pydantic.alias_generators import to_camel

from weconnect import clock
from weconnect.base_entity import ApiModel, BaseEntity, TenantEntity
from weconnect.identity import permissions, request_limits
from weconnect.organizations.member_permissions import MemberPermissions

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
Text255 = Annotated[str, Field(max_length=255)]
Text100 = Annotated[str, Field(max_length=100)]
Text50 = Annotated[str, Field(max_length=50)]
Address = Annotated[str, Field(max_length=500)]
Slug = Annotated[str, Field(max_length=100, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Limit = Annotated[int, Field(ge=-1)]


class OrganizationPlan(StrEnum):
    """The plan of an organization."""

    FREE = "free"
    STARTER = "starter"
    PRO = "pro"
    ENTERPRISE = "enterprise"


class OrganizationRole(StrEnum):
    """The role of a member."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"


class PlanLimits(ApiModel):
    """The quotas and limits of a plan; -1 means unlimited.

    `max_api_keys` are those of one member. `max_descendants` are the executions that one execution may start, by itself
    and through those: slices of loops, subworkflows, agents and what they call. They do not count as executions of the
    month, and need no slot of `max_concurrent_executions`.
    """

    max_workflows: Limit
    max_executions_per_month: Limit
    max_team_members: Limit
    max_credentials: Limit
    max_agents: Limit
    max_workflow_complexity: Limit
    max_concurrent_executions: Limit
    max_descendants: Limit
    retention_days: Limit
    max_api_keys: Limit
    max_open_jobs: Limit
    max_mail_recipients_per_day: Limit
    max_requests_per_minute: Limit
    max_user_requests_per_minute: Limit


_LIMITS_BY_FIELD: dict[str, tuple[int, int, int, int]] = {
    "max_workflows": (5, 20, 100, -1),
    "max_executions_per_month": (100, 1_000, 10_000, -1),
    "max_team_members": (3, 5, 20, -1),
    "max_credentials": (5, 10, 50, -1),
    "max_agents": (5, 20, 100, -1),
    "max_workflow_complexity": (20, 50, 100, -1),
    "max_concurrent_executions": (2, 5, 25, 100),
    "max_descendants": (500, 5_000, 25_000, 100_000),
    "retention_days": (7, 30, 90, 365),
    "max_api_keys": (5, 10, 25, 100),
    "max_open_jobs": (3, 5, 10, 25),
    "max_mail_recipients_per_day": (20, 200, 2_000, 20_000),
    "max_requests_per_minute": request_limits.MAX_REQUESTS_PER_MINUTE,
    "max_user_requests_per_minute": request_limits.MAX_USER_REQUESTS_PER_MINUTE,
}
"""Each field of PlanLimits in the order of OrganizationPlan: free, starter, pro, enterprise."""

PLANS: dict[OrganizationPlan, PlanLimits] = {
    plan: PlanLimits(**{field: numbers[index] for field, numbers in _LIMITS_BY_FIELD.items()})
    for index, plan in enumerate(OrganizationPlan)
}


class LimitedByPlan(ApiModel):
    """A plan, and limits that override the plan's own; of those that are left out, the plan's apply."""

    plan: OrganizationPlan
    plan_limits: PlanLimits | None = None

    @model_validator(mode="before")
    @classmethod
    def _complete_plan_limits(cls, value: Any) -> Any:
        """Add the plan's limits to an override in JSON that lacks some, such as one that is older than they are."""
        if not isinstance(value, dict):
            return value
        plan = value.get("plan", OrganizationPlan.FREE)
        for name in ("plan_limits", "planLimits"):
            override = value.get(name)
            if isinstance(override, dict) and plan in [*OrganizationPlan]:
                own = PLANS[OrganizationPlan(plan)].model_dump()
                lacking = {key: own[key] for key in own if not {key, to_camel(key)} & override.keys()}
                value = value | {name: override | lacking}
        return value


class Branding(ApiModel):
    """Colors and logo of the organization's front end."""

    primary_color: Text50 | None = None
    secondary_color: Text50 | None = None
    logo_url: Address | None = None


class Security(ApiModel):
    """Rules for signing in. `session_timeout` is in minutes; `enforce_mfa` requires a second factor of every member."""

    enforce_sso: bool | None = Field(default=None, alias="enforceSSO")
    enforce_mfa: bool | None = None
    allowed_domains: list[Text255] | None = Field(default=None, max_length=100)
    session_timeout: int | None = Field(default=None, ge=1)


class WorkflowDefaults(ApiModel):
    """Defaults for workflows: `default_retention` in days, `max_complexity` in nodes."""

    default_retention: int | None = Field(default=None, ge=1)
    max_complexity: int | None = Field(default=None, ge=1)


class AgentSettings(ApiModel):
    """The budget of all agents of the organization together in a calendar month (UTC)."""

    max_tokens_per_month: int | None = Field(default=None, ge=1, le=10**15)
    max_cost_usd_per_month: float | None = Field(default=None, ge=0.000_001, le=1_000_000_000)


class CustomSettings(ApiModel):
    """The organization's own settings, by area."""

    branding: Branding | None = None
    security: Security | None = None
    workflow: WorkflowDefaults | None = None
    agents: AgentSettings | None = None


class BillingAddress(ApiModel):
    """A postal address for invoices."""

    street: Text255 | None = None
    city: Text255 | None = None
    state: Text255 | None = None
    zip_code: Text50 | None = None
    country: Text100 | None = None


class BillingInfo(ApiModel):
    """The recipient of invoices."""

    company_name: Text255 | None = None
    tax_id: Text100 | None = None
    address: BillingAddress | None = None
    billing_email: Text255 | None = None


class Organization(BaseEntity, LimitedByPlan):
    """A tenant. `current_month_executions` and `execution_reset_date` come from the month's counter."""

    slug: Slug
    name: Name
    description: str | None = Field(default=None, max_length=10_000)
    logo: Address | None = None
    website: Text255 | None = None
    plan: OrganizationPlan = OrganizationPlan.FREE
    custom_settings: CustomSettings = CustomSettings()
    is_active: bool = True
    stripe_customer_id: Text100 | None = None
    stripe_subscription_id: Text100 | None = None
    trial_ends_at: AwareDatetime | None = None
    current_month_executions: int = 0
    execution_reset_date: AwareDatetime | None = None
    billing_info: BillingInfo | None = None

    def get_plan_limits(self) -> PlanLimits:
        """Return the organization's own limits, or else those of its plan."""
        return self.plan_limits or PLANS[self.plan]

    def is_within_limit(self, resource: str, current: int) -> bool:
        """Return whether one more `resource` (a field of PlanLimits) may be added to `current` ones."""
        limit = getattr(self.get_plan_limits(), resource, None)
        return limit is None or limit == -1 or current < limit

    def can_add_member(self, members: int) -> bool:
        """Return whether the plan allows one more member than `members`."""
        return self.is_within_limit("max_team_members", members)

    def can_create_workflow(self, workflows: int) -> bool:
        """Return whether the plan allows one more workflow than `workflows`."""
        return self.is_within_limit("max_workflows", workflows)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def is_trial_expired(self) -> bool:
        return self.trial_ends_at is not None and clock.now() > self.trial_ends_at


class OrganizationSummary(ApiModel):
    """An organization in the list of a user's organizations, with the user's role in it."""

    id: UUID
    slug: str
    name: str
    logo: str | None = None
    plan: OrganizationPlan
    is_active: bool
    role: OrganizationRole
    joined_at: datetime | None = None
    deleted_at: datetime | None = None


class OrganizationMember(BaseEntity):
    """A user in an organization. An invitation makes no member before it is accepted, so a stored one has joined."""

    organization_id: UUID
    user_id: UUID
    role: OrganizationRole = OrganizationRole.MEMBER
    custom_role_id: UUID | None = None
    is_active: bool = True
    invited_at: AwareDatetime | None = None
    joined_at: AwareDatetime | None = None
    invited_by: UUID | None = None
    permissions: MemberPermissions = MemberPermissions()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def is_pending(self) -> bool:
        return self.invited_at is not None and self.joined_at is None

    @property
    def effective_role(self) -> str:
        """The role that counts: the ID of the custom role, or else the built-in one."""
        return permissions.effective_role(self.role.value, self.custom_role_id)

    def resolve_permissions(self, custom_role: Iterable[str] | None = None) -> frozenset[str]:
        """Return the permissions that follow from role and own flags; none while inactive or pending.

        `custom_role` has the permissions of the role that `custom_role_id` names; without them that role grants
        nothing.
        """
        if not self.is_active or self.is_pending:
            return frozenset()
        granted = None if self.custom_role_id is None else (custom_role or ())
        own_flags = self.permissions.model_dump(exclude_none=True)
        return permissions.effective_permissions(self.role, own_flags, granted)

    def has_permission(self, resource: str, action: str, custom_role: Iterable[str] | None = None) -> bool:
        """Return whether the member has the permission `resource:action`."""
        granted = self.resolve_permissions(custom_role)
        return permissions.EVERYTHING in granted or f"{resource}:{action}" in granted


class MemberUser(ApiModel):
    """The user of a membership."""

    email: str
    first_name: str
    last_name: str
    avatar: str | None = None


class DomainStatus(StrEnum):
    """The proof of a mail domain."""

    PENDING = "pending"
    VERIFIED = "verified"


class MailDomain(TenantEntity):
    """A mail domain that the organization claims: set the TXT record, then verify it.

    `status` is `verified` once the record was seen, and stays so until the domain is given up, or another organization
    proves it after the record has gone.
    """

    domain: str = Field(max_length=255)
    status: DomainStatus = DomainStatus.PENDING
    record_type: Literal["TXT"] = "TXT"
    record_name: str
    record_value: str
    verified_at: AwareDatetime | None = None


class Member(OrganizationMember):
    """A membership with its user and the resulting permissions."""

    user: MemberUser | None = None
    effective_permissions: list[str] = Field(default=[])

    @classmethod
    def of(
        cls, member: OrganizationMember, user: MemberUser | None, custom_role: Iterable[str] | None = None
    ) -> "Member":
        """Join a membership with its user."""
        values = {name: getattr(member, name) for name in OrganizationMember.model_fields}
        granted = sorted(permissions.expand_permissions(member.resolve_permissions(custom_role)))
        return cls(**values, user=user, effective_permissions=granted)


class CustomRole(TenantEntity):
    """A named set of permissions. `member_count` counts the members and open invitations that have it."""

    name: str = Field(max_length=100)
    description: str | None = Field(default=None, max_length=10_000)
    permissions: list[str] = Field(default=[])
    member_count: int = 0


class Invitation(BaseEntity):
    """An invitation that was neither accepted nor declined yet; `sent_at` is missing when no mail could be sent."""

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


LIMIT_THRESHOLDS = (80, 100)
"""The percentages of a limit at which a LimitEvent is emitted."""


class LimitEvent(BaseEntity):
    """A `limit.reached` event: the use of a resource reached `percent` of its limit."""

    type: Literal["limit.reached"] = "limit.reached"
    organization_id: UUID
    month: str
    resource: str
    percent: int
    used: int
    limit: int
