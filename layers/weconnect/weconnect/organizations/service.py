"""Organizations and their members, as their members see them."""

from uuid import UUID

from weconnect import clock
from weconnect.api.caller import Caller
from weconnect.api.idempotency import new_id
from weconnect.api.pagination import Page, query_page
from weconnect.auth.entities import LimitType, Tokens
from weconnect.auth.rows import UserRow
from weconnect.auth.sessions import sessions
from weconnect.db import table
from weconnect.errors import Forbidden, Invalid, NotFound
from weconnect.identity import periods
from weconnect.organizations import creation
from weconnect.organizations.entities import (
    CustomSettings,
    MemberView,
    Organization,
    OrganizationRole,
    OrganizationSummary,
    PlanLimits,
)
from weconnect.organizations.members import membership
from weconnect.organizations.rows import MemberRow, OrganizationRow, UsageRow
from weconnect.organizations.schemas import NewOrganization, OrganizationChanges

EMPTIED_BY_NULL = {"description", "logo", "website", "billing_info", "custom_settings"}


def find(
    caller: Caller, *, limit: int, cursor: str | None, deleted: bool = False
) -> Page[OrganizationSummary]:
    """The organizations that the caller is a member of, newest first; `deleted` ones are for their owners.

    An API key sees its own only, and so does who signed in through an organization's identity provider.
    """
    rows, next_cursor = query_page(
        MemberRow,
        MemberRow.of_user(caller.user_id),
        index="gsi1",
        limit=limit,
        cursor=cursor,
        keep=lambda row: _has_rights(caller, row) and (not deleted or row.role == OrganizationRole.OWNER),
        filters=[deleted],
    )
    place = OrganizationRow.in_trash if deleted else OrganizationRow.at
    found = table.get_many([place(row.organization_id) for row in rows]) if rows else {}
    items = []
    for row in rows:
        if organization := found.get(place(row.organization_id)):
            names = ("id", "slug", "name", "logo", "plan", "is_active", "deleted_at")
            values = {name: getattr(organization, name) for name in names}
            items.append(OrganizationSummary(**values, role=row.role, joined_at=row.joined_at))
    return Page(items=items, next_cursor=next_cursor)


def get(caller: Caller, organization_id: UUID) -> Organization:
    """The caller's organization with this month's executions; billing is for those who manage it."""
    membership.require_current(caller, organization_id)
    start, end = periods.of(LimitType.MONTHLY, clock.now())
    at, usage_at = OrganizationRow.at(organization_id), UsageRow.at(organization_id, start.strftime("%Y-%m"))
    found = table.get_many([at, usage_at])
    if at not in found:
        raise membership.no_organization()
    used = int(found[usage_at].executions) if usage_at in found else 0
    organization: Organization = found[at].to_entity(current_month_executions=used, execution_reset_date=end)
    if not (caller.may("organization:manage") or caller.may("organization:billing")):
        hidden = {"billing_info": None, "stripe_customer_id": None, "stripe_subscription_id": None}
        organization = organization.model_copy(update=hidden)
    return organization


def create(caller: Caller, new: NewOrganization) -> Organization:
    """Make an organization whose owner is the caller; one signs in to it with `switch`."""
    more = new.model_dump(exclude={"name", "slug"})
    founded = creation.found(caller.user_id, new.name, organization_id=new_id(), slug=new.slug, **more)
    organization = founded.organization
    with table.transaction(caller.actor() | {"organizationId": str(organization.id)}) as writes:
        founded.write(writes)
    return _need(organization.id).to_entity()  # type: ignore[no-any-return]


def update(
    caller: Caller, organization_id: UUID, changes: OrganizationChanges, if_match: int | None
) -> Organization:
    """Change what belongs to its members; plan, limits, status and Stripe's ids are not theirs to change."""
    membership.require_current(caller, organization_id)
    row = _need(organization_id)
    before: Organization = row.to_entity()
    given = {name: getattr(changes, name) for name in changes.model_fields_set}
    given = {name: value for name, value in given.items() if value is not None or name in EMPTIED_BY_NULL}
    if "custom_settings" in given:
        settings = _merged(before.custom_settings, changes.custom_settings)
        _check(organization_id, before, settings)
        given["custom_settings"] = settings.model_dump(mode="json")
    if given.get("billing_info") is not None:
        given["billing_info"] = given["billing_info"].model_dump(mode="json")
    with table.transaction(caller.actor()) as writes:
        writes.change(row, given, if_match=if_match)
        if given.get("slug", before.slug) != before.slug:
            creation.drop_slug(writes, before.slug)
            creation.hold_slug(writes, given["slug"], organization_id)
    return get(caller, organization_id)


def _merged(before: CustomSettings, changes: CustomSettings | None) -> CustomSettings:
    """Each part that was sent takes the place of the one before."""
    if changes is None:
        return CustomSettings()
    return before.model_copy(update={name: getattr(changes, name) for name in changes.model_fields_set})


def _check(organization_id: UUID, before: Organization, settings: CustomSettings) -> None:
    """Own settings stay within the plan (B18), and single sign-on is enforced only where there is one."""
    limits: PlanLimits = before.get_plan_limits()
    errors = []
    if settings.workflow:
        bounds = {
            "default_retention": limits.retention_days,
            "max_complexity": limits.max_workflow_complexity,
        }
        for name, bound in bounds.items():
            value = getattr(settings.workflow, name)
            if value is not None and bound != -1 and value > bound:
                pointer = "defaultRetention" if name == "default_retention" else "maxComplexity"
                errors.append(
                    {"pointer": f"/customSettings/workflow/{pointer}", "detail": f"the plan allows {bound}"}
                )
    if errors:
        raise Invalid(f"Not valid: {errors[0]['pointer']}", errors=errors)
    enforced = before.custom_settings.security and before.custom_settings.security.enforce_sso
    if settings.security and settings.security.enforce_sso and not enforced:
        from weconnect.auth.sso import sign_in as sso  # and with it the library of OpenID Connect

        sso.check_can_enforce(organization_id)


def switch(caller: Caller, organization_id: UUID) -> Tokens:
    """Make another organization the caller's current one; answers tokens for it."""
    assert caller.session_id
    try:
        issued, who = sessions.switch(caller.user_id, caller.session_id, organization_id)
    except Forbidden as error:
        if error.code == "not_a_member":
            raise membership.no_organization() from error
        raise
    row = table.need(UserRow, UserRow.at(who.user.id), "user")
    if row.current_organization_id != str(organization_id):
        current = str(organization_id)
        values = {"current_organization_id": current, "gsi1pk": UserRow.by_current_organization(current)}
        table.change(row, values, caller.actor())
    return issued


def members(
    caller: Caller,
    organization_id: UUID,
    *,
    role: OrganizationRole | None,
    is_active: bool | None,
    limit: int,
    cursor: str | None,
) -> Page[MemberView]:
    """Members with their names and what they may do, newest user first."""
    membership.require_current(caller, organization_id)

    def keep(row: MemberRow) -> bool:
        return role in (None, row.role) and is_active in (None, row.is_active)

    pk, _ = OrganizationRow.at(organization_id)
    rows, next_cursor = query_page(
        MemberRow, pk, MemberRow.PREFIX, limit=limit, cursor=cursor, keep=keep, filters=[role, is_active]
    )
    users = table.get_many([UserRow.at(row.user_id) for row in rows]) if rows else {}
    words = membership.words_by_role(organization_id, [row.custom_role_id for row in rows])
    items = [
        MemberView.of(row.to_entity(), users.get(UserRow.at(row.user_id)), words.get(row.custom_role_id))
        for row in rows
    ]
    return Page(items=items, next_cursor=next_cursor)


def member(caller: Caller, organization_id: UUID, user_id: UUID) -> MemberView:
    """One member with the permissions that result."""
    membership.require_current(caller, organization_id)
    at, user_at = MemberRow.at(organization_id, user_id), UserRow.at(user_id)
    found = table.get_many([at, user_at])
    if at not in found:
        raise NotFound("No such member", code="member_not_found")
    entity = found[at].to_entity()
    words = membership.role_words(organization_id, entity.custom_role_id)
    return MemberView.of(entity, found.get(user_at), words)


def _has_rights(caller: Caller, row: MemberRow) -> bool:
    if caller.is_bound and row.organization_id != str(caller.organization_id):
        return False
    entity = row.to_entity()
    return bool(entity.is_active and not entity.is_pending)


def _need(organization_id: UUID) -> OrganizationRow:
    return table.need(OrganizationRow, OrganizationRow.at(organization_id), "organization")
