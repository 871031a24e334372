"""Organizations, their plans and their members, with the seed's fields."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints, computed_field

from weconnect import clock
from weconnect.base_entity import BaseEntity, Wire
from weconnect.identity import permissions

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255)]
Text255 = Annotated[str, Field(max_length=255)]
Text100 = Annotated[str, Field(max_length=100)]
Text50 = Annotated[str, Field(max_length=50)]
Address = Annotated[str, Field(max_length=500)]
Slug = Annotated[str, Field(max_length=100, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Limit = Annotated[int, Field(ge=-1)]


class OrganizationPlan(StrEnum):
    FREE = "free"
    STARTER = "starter"
    PRO = "pro"
    ENTERPRISE = "enterprise"


class OrganizationRole(StrEnum):
    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"


class PlanLimits(Wire):
    """What a plan allows; -1 is unlimited."""

    max_workflows: Limit
    max_executions_per_month: Limit
    max_team_members: Limit
    max_credentials: Limit
    max_agents: Limit
    max_workflow_complexity: Limit
    max_concurrent_executions: Limit
    retention_days: Limit


PLANS: dict[OrganizationPlan, PlanLimits] = {
    plan: PlanLimits(**dict(zip(PlanLimits.model_fields, numbers, strict=True)))
    for plan, numbers in {
        OrganizationPlan.FREE: (5, 100, 3, 5, 5, 20, 2, 7),
        OrganizationPlan.STARTER: (20, 1_000, 5, 10, 20, 50, 5, 30),
        OrganizationPlan.PRO: (100, 10_000, 20, 50, 100, 100, 25, 90),
        OrganizationPlan.ENTERPRISE: (-1, -1, -1, -1, -1, -1, 100, 365),
    }.items()
}


class Branding(Wire):
    primary_color: Text50 | None = None
    secondary_color: Text50 | None = None
    logo_url: Address | None = None


class Security(Wire):
    """`session_timeout` is in minutes; `enforce_mfa` lets nobody act here without a second factor."""

    enforce_sso: bool | None = Field(default=None, alias="enforceSSO")
    enforce_mfa: bool | None = None
    allowed_domains: list[Text255] | None = Field(default=None, max_length=100)
    session_timeout: int | None = Field(default=None, ge=1)


class WorkflowSettings(Wire):
    """`default_retention` is in days, `max_complexity` in nodes."""

    default_retention: int | None = Field(default=None, ge=1)
    max_complexity: int | None = Field(default=None, ge=1)


class AgentSettings(Wire):
    """What all agents of the organization together may use in a calendar month (UTC)."""

    max_tokens_per_month: int | None = Field(default=None, ge=1, le=10**15)
    max_cost_usd_per_month: float | None = Field(default=None, ge=0.000_001, le=1_000_000_000)


class CustomSettings(Wire):
    branding: Branding | None = None
    security: Security | None = None
    workflow: WorkflowSettings | None = None
    agents: AgentSettings | None = None


class BillingAddress(Wire):
    street: Text255 | None = None
    city: Text255 | None = None
    state: Text255 | None = None
    zip_code: Text50 | None = None
    country: Text100 | None = None


class BillingInfo(Wire):
    company_name: Text255 | None = None
    tax_id: Text100 | None = None
    address: BillingAddress | None = None
    billing_email: Text255 | None = None


class Organization(BaseEntity):
    """The tenant. `current_month_executions` and `execution_reset_date` are read from the month's counter."""

    slug: Slug
    name: Name
    description: str | None = Field(default=None, max_length=10_000)
    logo: Address | None = None
    website: Text255 | None = None
    plan: OrganizationPlan = OrganizationPlan.FREE
    plan_limits: PlanLimits | None = None
    custom_settings: CustomSettings = CustomSettings()
    is_active: bool = True
    stripe_customer_id: Text100 | None = None
    stripe_subscription_id: Text100 | None = None
    trial_ends_at: AwareDatetime | None = None
    current_month_executions: int = 0
    execution_reset_date: AwareDatetime | None = None
    billing_info: BillingInfo | None = None

    def get_plan_limits(self) -> PlanLimits:
        """The organization's own limits, else its plan's."""
        return self.plan_limits or PLANS[self.plan]

    def is_within_limit(self, resource: str, current: int) -> bool:
        """Whether one more `resource` (a field of PlanLimits) fits beside `current` ones."""
        limit = getattr(self.get_plan_limits(), resource, None)
        return limit is None or limit == -1 or current < limit

    def can_add_member(self, members: int) -> bool:
        """Whether one more member fits beside `members`."""
        return self.is_within_limit("max_team_members", members)

    def can_create_workflow(self, workflows: int) -> bool:
        """Whether one more workflow fits beside `workflows`."""
        return self.is_within_limit("max_workflows", workflows)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def is_trial_expired(self) -> bool:
        return self.trial_ends_at is not None and clock.now() > self.trial_ends_at


class OrganizationSummary(Wire):
    """An organization in the list of a user's own, with the user's role in it."""

    id: UUID
    slug: str
    name: str
    logo: str | None = None
    plan: OrganizationPlan
    is_active: bool
    role: OrganizationRole
    joined_at: datetime | None = None
    deleted_at: datetime | None = None


class WorkflowPermissions(Wire):
    """A boolean wins over the role: true grants, false denies."""

    create: bool | None = None
    read: bool | None = None
    update: bool | None = None
    delete: bool | None = None
    execute: bool | None = None


class CredentialPermissions(Wire):
    create: bool | None = None
    read: bool | None = None
    update: bool | None = None
    delete: bool | None = None
    use: bool | None = None


class OrganizationPermissions(Wire):
    invite: bool | None = None
    manage: bool | None = None
    billing: bool | None = None


class ExecutionPermissions(Wire):
    read: bool | None = None
    update: bool | None = None
    delete: bool | None = None


class ContentPermissions(Wire):
    """For templates and webhooks."""

    create: bool | None = None
    read: bool | None = None
    update: bool | None = None
    delete: bool | None = None


class MonitoringPermissions(Wire):
    read: bool | None = None
    manage: bool | None = None


class MemberPermissions(Wire):
    """Fine permissions of one member. The seed's three, extended to every resource."""

    workflows: WorkflowPermissions | None = None
    credentials: CredentialPermissions | None = None
    organization: OrganizationPermissions | None = None
    agents: WorkflowPermissions | None = None
    executions: ExecutionPermissions | None = None
    templates: ContentPermissions | None = None
    webhooks: ContentPermissions | None = None
    schedules: WorkflowPermissions | None = None
    monitoring: MonitoringPermissions | None = None


class OrganizationMember(BaseEntity):
    """A user in an organization; without `joined_at` it is an invitation and has no rights."""

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

    def effective_words(self, custom_role: Iterable[str] | None = None) -> frozenset[str]:
        """The permissions that result from role and own booleans; none while inactive or pending.

        `custom_role` brings the words of the role that `custom_role_id` names; without them it grants nothing.
        """
        if not self.is_active or self.is_pending:
            return frozenset()
        words = None if self.custom_role_id is None else (custom_role or ())
        return permissions.effective(self.role, self.permissions.model_dump(exclude_none=True), words)

    def has_permission(self, resource: str, action: str, custom_role: Iterable[str] | None = None) -> bool:
        """Whether the member holds `resource:action`."""
        held = self.effective_words(custom_role)
        return permissions.EVERYTHING in held or f"{resource}:{action}" in held


class MemberUser(Wire):
    """The person behind a membership."""

    email: str
    first_name: str
    last_name: str
    avatar: str | None = None


class MemberView(OrganizationMember):
    """A membership with its person and the permissions that result."""

    user: MemberUser | None = None
    effective_permissions: list[str] = Field(default=[])

    @classmethod
    def of(
        cls, member: OrganizationMember, user: Any, custom_role: Iterable[str] | None = None
    ) -> "MemberView":
        """Join a membership and its user (any object with the person's fields, or None).

        Who has not joined yet shows nobody their name: an invitation would tell who stands behind any address.
        """
        shown = user is not None and not member.is_pending
        person = (
            MemberUser(**{name: getattr(user, name) for name in MemberUser.model_fields}) if shown else None
        )
        values = {name: getattr(member, name) for name in OrganizationMember.model_fields}
        words = sorted(permissions.spelled_out(member.effective_words(custom_role)))
        return cls(**values, user=person, effective_permissions=words)
