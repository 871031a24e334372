"""Organizations and their members, as their members see them."""

from uuid import UUID

from weconnect import clock, table
from weconnect.auth import periods, sessions
from weconnect.auth.entities import LimitType, Tokens
from weconnect.auth.rows import UserRow
from weconnect.caller import Caller
from weconnect.errors import Forbidden, NotFound
from weconnect.organizations.entities import (
    MemberView,
    Organization,
    OrganizationRole,
    OrganizationSummary,
)
from weconnect.organizations.rows import MemberRow, OrganizationRow, UsageRow
from weconnect.pages import Page, query_page


def find(caller: Caller, *, limit: int, cursor: str | None) -> Page[OrganizationSummary]:
    """The organizations that the caller is a member of, newest first. An API key sees its own only."""
    rows, next_cursor = query_page(
        MemberRow,
        MemberRow.of_user(caller.user_id),
        index="gsi1",
        limit=limit,
        cursor=cursor,
        keep=lambda row: _has_rights(caller, row),
    )
    found = table.get_many([OrganizationRow.at(row.organization_id) for row in rows]) if rows else {}
    items = []
    for row in rows:
        if organization := found.get(OrganizationRow.at(row.organization_id)):
            names = ("id", "slug", "name", "logo", "plan", "is_active")
            values = {name: getattr(organization, name) for name in names}
            items.append(OrganizationSummary(**values, role=row.role, joined_at=row.joined_at))
    return Page(items=items, next_cursor=next_cursor)


def get(caller: Caller, organization_id: UUID) -> Organization:
    """The caller's organization with this month's executions; billing is for those who manage it."""
    require_current(caller, organization_id)
    start, end = periods.of(LimitType.MONTHLY, clock.now())
    at, usage_at = OrganizationRow.at(organization_id), UsageRow.at(organization_id, start.strftime("%Y-%m"))
    found = table.get_many([at, usage_at])
    if at not in found:
        raise _no_organization()
    used = int(found[usage_at].executions) if usage_at in found else 0
    organization: Organization = found[at].to_entity(current_month_executions=used, execution_reset_date=end)
    if not (caller.may("organization:manage") or caller.may("organization:billing")):
        hidden = {"billing_info": None, "stripe_customer_id": None, "stripe_subscription_id": None}
        organization = organization.model_copy(update=hidden)
    return organization


def switch(caller: Caller, organization_id: UUID) -> Tokens:
    """Make another organization the caller's current one; answers tokens for it."""
    assert caller.session_id
    try:
        issued, who = sessions.switch(caller.user_id, caller.session_id, organization_id)
    except Forbidden as error:
        if error.code == "not_a_member":
            raise _no_organization() from error
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
    require_current(caller, organization_id)

    def keep(row: MemberRow) -> bool:
        return role in (None, row.role) and is_active in (None, row.is_active)

    pk, _ = OrganizationRow.at(organization_id)
    rows, next_cursor = query_page(
        MemberRow, pk, MemberRow.PREFIX, limit=limit, cursor=cursor, keep=keep, filters=[role, is_active]
    )
    users = table.get_many([UserRow.at(row.user_id) for row in rows]) if rows else {}
    items = [MemberView.of(row.to_entity(), users.get(UserRow.at(row.user_id))) for row in rows]
    return Page(items=items, next_cursor=next_cursor)


def member(caller: Caller, organization_id: UUID, user_id: UUID) -> MemberView:
    """One member with the permissions that result."""
    require_current(caller, organization_id)
    at, user_at = MemberRow.at(organization_id, user_id), UserRow.at(user_id)
    found = table.get_many([at, user_at])
    if at not in found:
        raise NotFound("No such member", code="member_not_found")
    return MemberView.of(found[at].to_entity(), found.get(user_at))


def require_current(caller: Caller, organization_id: UUID) -> None:
    """Raise NotFound unless the path's organization is the caller's: no other one is to be seen."""
    if organization_id != caller.organization_id:
        raise _no_organization()


def _has_rights(caller: Caller, row: MemberRow) -> bool:
    if caller.api_key_id and row.organization_id != str(caller.organization_id):
        return False
    entity = row.to_entity()
    return bool(entity.is_active and not entity.is_pending)


def _no_organization() -> NotFound:
    return NotFound("No such organization", code="organization_not_found")
