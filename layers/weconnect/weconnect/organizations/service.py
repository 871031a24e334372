"""Organizations as their members see and change them."""

from typing import Any
from uuid import UUID

from weconnect import clock
from weconnect.api.caller import Caller
from weconnect.api.idempotency import replay_safe_id
from weconnect.api.pagination import Page, query_page
from weconnect.db import table
from weconnect.db.table import Transaction
from weconnect.errors import FieldError, Invalid
from weconnect.identity import periods
from weconnect.identity.entities import LimitType
from weconnect.identity.errors import UserNotFound
from weconnect.identity.rows import IdentityProviderRow, UserRow
from weconnect.identity.verified_addresses import is_verified
from weconnect.organizations import creation, ownership, slugs
from weconnect.organizations.domains import mail_domains
from weconnect.organizations.entities import (
    CustomSettings,
    Organization,
    OrganizationRole,
    OrganizationSummary,
    PlanLimits,
    Security,
)
from weconnect.organizations.errors import (
    DomainNotVerified,
    OrganizationNotFound,
    OwnerOnly,
    SsoNotConfigured,
)
from weconnect.organizations.members import membership
from weconnect.organizations.rows import MemberRow, OrganizationRow, UsageRow
from weconnect.organizations.schemas import NewOrganization, OrganizationChanges

CLEARED_BY_NULL = {"description", "logo", "website", "billing_info", "custom_settings"}


def find(
    caller: Caller, *, limit: int, cursor: str | None, deleted: bool = False
) -> Page[OrganizationSummary]:
    """Return a page of the caller's organizations, newest first; with `deleted`, those in the trash that they own.

    An API key, and a user who signed in through an organization's identity provider, see that organization only.
    """
    rows, next_cursor = query_page(
        MemberRow,
        MemberRow.of_user(caller.user_id),
        index="gsi1",
        limit=limit,
        cursor=cursor,
        keep=lambda row: _has_access(caller, row) and (not deleted or row.role == OrganizationRole.OWNER),
        filters=[deleted],
    )
    key_of = OrganizationRow.in_trash if deleted else OrganizationRow.at
    rows_by_key = table.get_many([key_of(row.organization_id) for row in rows]) if rows else {}
    items = []
    for row in rows:
        organization = rows_by_key.get(key_of(row.organization_id))
        if isinstance(organization, OrganizationRow):
            items.append(summarize(organization, row))
    return Page(items=items, next_cursor=next_cursor)


def summarize(organization: OrganizationRow | Organization, member: MemberRow) -> OrganizationSummary:
    """Return the summary of an organization for one of its members."""
    names = ("id", "slug", "name", "logo", "plan", "is_active", "deleted_at")
    values = {name: getattr(organization, name) for name in names}
    return OrganizationSummary(**values, role=member.role, joined_at=member.joined_at)


def get(caller: Caller, organization_id: UUID) -> Organization:
    """Return the caller's organization with this month's executions.

    Billing data is left out for callers without the permission to manage the organization or its billing.
    """
    membership.require_current_organization(caller, organization_id)
    start, end = periods.period_containing(LimitType.MONTHLY, clock.now())
    at, usage_at = OrganizationRow.at(organization_id), UsageRow.at(organization_id, start.strftime("%Y-%m"))
    rows_by_key = table.get_many([at, usage_at])
    row, usage = rows_by_key.get(at), rows_by_key.get(usage_at)
    if not isinstance(row, OrganizationRow):
        raise OrganizationNotFound()
    used = int(usage.executions) if isinstance(usage, UsageRow) else 0
    organization = row.to_entity(current_month_executions=used, execution_reset_date=end)
    if not (caller.has_permission("organization:manage") or caller.has_permission("organization:billing")):
        hidden = {"billing_info": None, "stripe_customer_id": None, "stripe_subscription_id": None}
        organization = organization.model_copy(update=hidden)
    return organization


def create(caller: Caller, new: NewOrganization) -> Organization:
    """Create an organization that the caller owns; they switch to it with `POST …/switch`.

    Raises SlugTaken or OrganizationLimitReached.
    """
    user = table.require(UserRow, UserRow.at(caller.user_id), UserNotFound)
    limit = ownership.prepare(user.id, is_trusted=is_verified(user))
    more = new.model_dump(exclude={"name", "slug"})
    draft = creation.draft_organization(
        caller.user_id, new.name, organization_id=replay_safe_id(), slug=new.slug, **more
    )
    organization_id = draft.organization.id
    with table.transaction(caller.actor() | {"organizationId": str(organization_id)}) as writes:
        draft.add_to(writes, limit)
    return _require_row(organization_id).to_entity()


def update(
    caller: Caller, organization_id: UUID, changes: OrganizationChanges, if_match: int | None
) -> Organization:
    """Change the fields that belong to the members; plan, limits, status and Stripe's IDs are not among them.

    Raises SlugTaken, TooManySlugChanges, SsoNotConfigured, OwnerOnly, or Invalid when a setting exceeds the plan.
    """
    membership.require_current_organization(caller, organization_id)
    row = _require_row(organization_id)
    before = row.to_entity()
    values: dict[str, Any] = {}
    for name in changes.model_fields_set:
        value = getattr(changes, name)
        if value is not None or name in CLEARED_BY_NULL:
            values[name] = value
    if "custom_settings" in values:
        settings = _merge(before.custom_settings, changes.custom_settings)
        _check_settings(organization_id, before, settings)
        values["custom_settings"] = settings.model_dump(mode="json")
    if values.get("billing_info") is not None:
        values["billing_info"] = values["billing_info"].model_dump(mode="json")
    with table.transaction(caller.actor()) as writes:
        writes.change(row, values, if_match=if_match)
        if "custom_settings" in values and not membership.is_owner(caller):
            _protect_owners(writes, organization_id, before.custom_settings.security, settings.security)
        if values.get("slug", before.slug) != before.slug:
            slugs.change(writes, before.slug, values["slug"], organization_id)
    return get(caller, organization_id)


def _merge(before: CustomSettings, changes: CustomSettings | None) -> CustomSettings:
    """Return the settings in which each part that was sent replaces the part before; None resets all."""
    if changes is None:
        return CustomSettings()
    return before.model_copy(update={name: getattr(changes, name) for name in changes.model_fields_set})


def _check_settings(organization_id: UUID, before: Organization, settings: CustomSettings) -> None:
    """Raise Invalid for settings above the plan's limits (B18), SsoNotConfigured for SSO without a provider."""
    limits: PlanLimits = before.get_plan_limits()
    errors: list[FieldError] = []
    if settings.workflow:
        bounds = {
            "default_retention": limits.retention_days,
            "max_complexity": limits.max_workflow_complexity,
        }
        for name, bound in bounds.items():
            value = getattr(settings.workflow, name)
            if value is not None and bound != -1 and value > bound:
                json_name = "defaultRetention" if name == "default_retention" else "maxComplexity"
                pointer = f"/customSettings/workflow/{json_name}"
                errors.append({"pointer": pointer, "detail": f"exceeds the plan's limit of {bound}"})
    if errors:
        raise Invalid(f"{errors[0]['pointer']} {errors[0]['detail']}", errors=errors)
    if settings.security:
        _require_proved_domains(organization_id, before, settings.security.allowed_domains or [])
    enforced = before.custom_settings.security and before.custom_settings.security.enforce_sso
    if settings.security and settings.security.enforce_sso and not enforced:
        _require_identity_provider(organization_id)


def _protect_owners(
    writes: Transaction, organization_id: UUID, before: Security | None, after: Security | None
) -> None:
    """Keep other members from locking owners out by single sign-on, or from widening whom it signs in as an owner.

    An owner may have neither a provider that signs owners in nor a second factor yet, and then has no other way in; so
    only owners enforce single sign-on, and change `allowedDomains` while it is enforced. Any other change of
    `allowedDomains` ends the owner's confirmation of the provider. Raises OwnerOnly.
    """
    old, new = before or Security(), after or Security()
    changes_domains = set(old.allowed_domains or []) != set(new.allowed_domains or [])
    if new.enforce_sso and (changes_domains or not old.enforce_sso):
        raise OwnerOnly(
            "Only an owner may enforce single sign-on, or change allowedDomains while it is enforced."
        )
    provider = table.get(IdentityProviderRow, IdentityProviderRow.at(organization_id))
    if changes_domains and provider is not None and provider.signs_in_owners:
        writes.change(provider, {"signs_in_owners": False})


def _require_proved_domains(organization_id: UUID, before: Organization, domains: list[str]) -> None:
    """Raise DomainNotVerified for a new domain in `allowedDomains` that the organization has not proved."""
    security = before.custom_settings.security
    present = (security.allowed_domains if security else None) or []
    unproved = [
        (number, domain)
        for number, domain in enumerate(domains)
        if domain not in present and mail_domains.find_owner(domain) != organization_id
    ]
    if unproved:
        path = f"/v1/organizations/{organization_id}/domains/{unproved[0][1]}"
        raise DomainNotVerified(
            f"The organization has not proved {unproved[0][1]}. Claim it by PUT {path}, and verify it.",
            errors=[
                {
                    "pointer": f"/customSettings/security/allowedDomains/{number}",
                    "detail": f"{domain} is not proved",
                }
                for number, domain in unproved
            ],
        )


def _require_identity_provider(organization_id: UUID) -> None:
    """Raise SsoNotConfigured when the organization has no identity provider."""
    if table.get(IdentityProviderRow, IdentityProviderRow.at(organization_id)) is None:
        detail = (
            "Single sign-on cannot be enforced without an identity provider. Set an identity provider first."
        )
        raise SsoNotConfigured(detail, pointer="/customSettings/security/enforceSSO")


def _has_access(caller: Caller, row: MemberRow) -> bool:
    """Return whether the caller may enter the organization of a membership: active, and within their session."""
    return row.is_active and (
        not caller.is_bound_to_organization or row.organization_id == str(caller.organization_id)
    )


def _require_row(organization_id: UUID) -> OrganizationRow:
    """Return the row of an organization. Raises OrganizationNotFound."""
    return table.require(OrganizationRow, OrganizationRow.at(organization_id), OrganizationNotFound)
