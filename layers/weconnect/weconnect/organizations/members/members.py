"""Members of an organization: listing, changing and removing them, leaving, and transferring ownership."""

from typing import Any
from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.api.pagination import Page, query_page
from weconnect.db import table
from weconnect.errors import Invalid
from weconnect.identity import sessions
from weconnect.identity.errors import UserNotFound
from weconnect.identity.permissions import effective_role
from weconnect.identity.rows import UserRow
from weconnect.organizations import ownership
from weconnect.organizations.entities import Member, MemberUser, OrganizationMember, OrganizationRole
from weconnect.organizations.errors import (
    MemberInactive,
    MemberNotFound,
    OrganizationNotFound,
    OwnerOnly,
    RoleNotFound,
)
from weconnect.organizations.members import membership
from weconnect.organizations.rows import MemberRow, OrganizationRow, RoleRow
from weconnect.organizations.schemas import MemberChanges

OWNER = OrganizationRole.OWNER
USERS_PER_CALL = 100


def find(
    caller: Caller,
    organization_id: UUID,
    *,
    role: OrganizationRole | None,
    is_active: bool | None,
    limit: int,
    cursor: str | None,
) -> Page[Member]:
    """Return a page of members with their users and permissions, newest user first."""
    membership.require_current_organization(caller, organization_id)

    def matches(row: MemberRow) -> bool:
        """Return whether a row passes the filters `role` and `is_active`."""
        return role in (None, effective_role(row.role, row.custom_role_id)) and is_active in (
            None,
            row.is_active,
        )

    pk, _ = OrganizationRow.at(organization_id)
    rows, next_cursor = query_page(
        MemberRow, pk, MemberRow.PREFIX, limit=limit, cursor=cursor, keep=matches, filters=[role, is_active]
    )
    return Page(items=to_members(organization_id, rows), next_cursor=next_cursor)


def get(caller: Caller, organization_id: UUID, user_id: UUID) -> Member:
    """Return one member with their permissions. Raises MemberNotFound."""
    membership.require_current_organization(caller, organization_id)
    at, user_at = MemberRow.at(organization_id, user_id), UserRow.at(user_id)
    rows_by_key = table.get_many([at, user_at])
    row = rows_by_key.get(at)
    if not isinstance(row, MemberRow):
        raise MemberNotFound()
    member = row.to_entity()
    custom_role = membership.load_role_permissions(organization_id, member.custom_role_id)
    return Member.of(member, _to_user(rows_by_key.get(user_at)), custom_role)


def to_members(organization_id: UUID, rows: list[MemberRow]) -> list[Member]:
    """Return the members of the rows, in their order, with users and permissions looked up in batches."""
    roles = membership.load_permissions_by_role(organization_id, [row.custom_role_id for row in rows])
    users: dict[tuple[str, str], table.Row] = {}
    for start in range(0, len(rows), USERS_PER_CALL):
        users |= table.get_many([UserRow.at(row.user_id) for row in rows[start : start + USERS_PER_CALL]])
    return [
        Member.of(
            row.to_entity(), _to_user(users.get(UserRow.at(row.user_id))), roles.get(row.custom_role_id)
        )
        for row in rows
    ]


def update(
    caller: Caller, organization_id: UUID, user_id: UUID, changes: MemberChanges, if_match: int | None
) -> Member:
    """Change a member. It applies at once, except to GETs with an access token that was issued before (15 minutes).

    Raises MemberNotFound, LastOwner, OwnerOnly, CannotGrant, Outranked, RoleNotFound, EmailNotVerified, CannotOwn,
    OrganizationLimitReached or MemberLimitReached.
    """
    membership.require_current_organization(caller, organization_id)
    return membership.retry_on_owner_race(
        lambda: _update_member(caller, organization_id, user_id, changes, if_match)
    )


def _update_member(
    caller: Caller, organization_id: UUID, user_id: UUID, changes: MemberChanges, if_match: int | None
) -> Member:
    """Change a member in one transaction with quota, role counts and owner check; return them as changed."""
    row = _require_row(organization_id, user_id)
    before = row.to_entity()
    after = _apply(changes, before)
    _require_may_update(caller, before, after)
    organization = table.require(OrganizationRow, OrganizationRow.at(organization_id), OrganizationNotFound)
    with table.transaction(caller.actor()) as writes:
        if before.role == OWNER and before.is_active and not (after.role == OWNER and after.is_active):
            membership.require_another_owner(writes, organization_id, user_id)
        if after.role == OWNER and before.role != OWNER:
            new_owner = table.require(UserRow, UserRow.at(user_id), UserNotFound)
            ownership.count_new_owner(writes, new_owner, organization_id)
        values = {
            "role": after.role.value,
            "custom_role_id": str(after.custom_role_id) if after.custom_role_id else None,
            "permissions": after.permissions.model_dump(mode="json"),
            "is_active": after.is_active,
        }
        writes.change(row, values, if_match=if_match)
        if after.is_active and not before.is_active:
            membership.take_member_quota(writes, organization.to_entity())
            user = table.get(UserRow, UserRow.at(user_id))
            if user is not None:
                membership.allow_return(writes, organization_id, user.email)
        if before.is_active and not after.is_active:
            membership.release_member_quota(writes, organization_id)
            membership.forbid_return(writes, organization_id, user_id)
        if before.custom_role_id != after.custom_role_id:
            membership.adjust_role_count(writes, organization_id, before.custom_role_id, -1)
            membership.adjust_role_count(writes, organization_id, after.custom_role_id, 1)
    if not after.is_active:
        sessions.end_sessions_in(organization_id, user_id)
    return get(caller, organization_id, user_id)


def _apply(changes: MemberChanges, before: OrganizationMember) -> OrganizationMember:
    """Return the changed member; an owner has no custom role."""
    values: dict[str, Any] = {}
    for name in changes.model_fields_set & MemberChanges.model_fields.keys():
        value = getattr(changes, name)
        if value is not None or name == "custom_role_id":  # null means something for the custom role alone
            values[name] = value
    after = before.model_copy(update=values)
    if after.role == OWNER:
        if changes.custom_role_id:
            detail = "An owner has every permission. Leave out customRoleId or choose another role."
            raise Invalid(detail, pointer="/customRoleId")
        after.custom_role_id = None
    return after


def _require_may_update(caller: Caller, before: OrganizationMember, after: OrganizationMember) -> None:
    """Raise CannotGrant, OwnerOnly, Outranked or RoleNotFound unless the caller may make this change."""
    membership.require_may_change(caller, before)
    permissions = membership.load_granted_permissions(after, chooses_role=after.role != before.role)
    if after.custom_role_id and after.custom_role_id != before.custom_role_id:
        table.require(RoleRow, RoleRow.at(after.organization_id, after.custom_role_id), RoleNotFound)
    membership.require_may_grant(caller, after.role, permissions)
    if after.effective_role != before.effective_role or (after.is_active and not before.is_active):
        membership.require_may_give_role(caller, after.effective_role)
    roles_before, roles_after = (before.role, before.custom_role_id), (after.role, after.custom_role_id)
    if before.user_id == caller.user_id and roles_after != roles_before and not membership.is_owner(caller):
        raise OwnerOnly(
            "Only an owner may change their own role. Ask another owner or admin to change yours."
        )


def remove(caller: Caller, organization_id: UUID, user_id: UUID, if_match: int | None) -> None:
    """Remove a member and end their sessions and API keys there; access tokens read for up to 15 minutes."""
    membership.require_current_organization(caller, organization_id)

    def work() -> None:
        """Remove the member in one transaction."""
        row = _require_row(organization_id, user_id)
        membership.require_may_change(caller, row.to_entity())
        with table.transaction(caller.actor()) as writes:
            membership.remove_member(writes, row, if_match=if_match)

    membership.retry_on_owner_race(work)
    membership.end_access(caller.actor(), organization_id, user_id)


def leave(caller: Caller, organization_id: UUID) -> None:
    """End the caller's own membership. Raises LastOwner for the last owner."""
    membership.require_current_organization(caller, organization_id)

    def work() -> None:
        """Remove the caller in one transaction."""
        row = _require_row(organization_id, caller.user_id)
        with table.transaction(caller.actor()) as writes:
            membership.remove_member(writes, row)

    membership.retry_on_owner_race(work)
    membership.end_access(caller.actor(), organization_id, caller.user_id)


def transfer_ownership(caller: Caller, organization_id: UUID, new_owner_id: UUID) -> Member:
    """Make another member an owner and the caller, who is one, an admin; return the new owner.

    Raises MemberNotFound, MemberInactive, EmailNotVerified, CannotOwn or OrganizationLimitReached.
    """
    if new_owner_id == caller.user_id:
        raise Invalid("You are the owner already. Name another member in userId.", pointer="/userId")
    row = _require_row(organization_id, new_owner_id)
    if not row.is_active:
        raise MemberInactive("This member is not active. Activate the member first.")
    own = table.get(MemberRow, MemberRow.at(organization_id, caller.user_id))  # an operator may be no member
    with table.transaction(caller.actor()) as writes:
        membership.require_active_organization(writes, organization_id)
        membership.adjust_role_count(writes, organization_id, row.to_entity().custom_role_id, -1)
        writes.change(row, {"role": OWNER.value, "custom_role_id": None})
        new_owner = table.require(UserRow, UserRow.at(new_owner_id), UserNotFound)
        ownership.count_new_owner(writes, new_owner, organization_id)
        if own is not None and own.role == OWNER:
            writes.change(own, {"role": OrganizationRole.ADMIN.value})
    return get(caller, organization_id, new_owner_id)


def _require_row(organization_id: UUID, user_id: UUID) -> MemberRow:
    """Return the row of a member. Raises MemberNotFound."""
    return table.require(MemberRow, MemberRow.at(organization_id, user_id), MemberNotFound)


def _to_user(row: table.Row | None) -> MemberUser | None:
    """Return the user of a row as members see them; None for None and rows of other kinds."""
    if not isinstance(row, UserRow):
        return None
    return MemberUser(**{name: getattr(row, name) for name in MemberUser.model_fields})
