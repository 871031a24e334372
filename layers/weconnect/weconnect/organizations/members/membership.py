"""Rules that every change of a membership obeys: who may grant what, the plan's quota, and an owner who remains."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar
from uuid import UUID

from weconnect import registry, registry_index
from weconnect.actor import Actor
from weconnect.api.caller import EVERYTHING, Caller
from weconnect.db import table
from weconnect.db.table import Transaction
from weconnect.errors import FieldError, Forbidden, Problem, Unauthenticated
from weconnect.identity import sessions
from weconnect.identity.entities import LimitType
from weconnect.identity.errors import UserNotFound
from weconnect.identity.permissions import (
    PERMISSIONS_BY_ROLE,
    ROLES_OVER_OTHERS,
    expand_permissions,
    holds_role,
)
from weconnect.identity.rows import ApiKeyRow, ExecutionLimitRow, UserRow
from weconnect.identity.verified_addresses import is_operator
from weconnect.organizations.entities import Organization, OrganizationMember, OrganizationRole
from weconnect.organizations.errors import (
    CannotGrant,
    LastOwner,
    MemberLimitReached,
    OrganizationNotFound,
    Outranked,
    OwnerOnly,
    RoleNotFound,
)
from weconnect.organizations.members.active_membership import load_active_membership
from weconnect.organizations.rows import (
    FormerMemberRow,
    MemberCountRow,
    MemberRow,
    OrganizationRow,
    RoleRow,
)

ATTEMPTS = 8

T = TypeVar("T")


def resolve_acting_user(organization_id: UUID, user_id: UUID) -> UUID:
    """Return the user on whose behalf something that `user_id` set up continues: that user, or else an owner.

    An owner takes over once the user may no longer act in the organization. Raises Unauthenticated or Forbidden when no
    owner may act either, for example because the organization is inactive.
    """
    refusal: Problem | None = None
    for candidate in itertools.chain([user_id], _list_owners(organization_id)):
        try:
            load_active_membership(candidate, organization_id)
        except (Unauthenticated, Forbidden) as error:
            refusal = refusal or error
        else:
            return candidate
    raise refusal or OrganizationNotFound()


def load_present_caller(organization_id: UUID, user_id: UUID) -> Caller:
    """Return a user as a caller with the rights that they have in an organization now; an operator has all.

    Raises UserNotFound, AccountInactive, NotAMember or OrganizationInactive.
    """
    user = table.require(UserRow, UserRow.at(user_id), UserNotFound)
    if user.is_active and is_operator(user):
        role, permissions = OrganizationRole.OWNER.value, frozenset({EVERYTHING})
    else:
        present = load_active_membership(user_id, organization_id)
        role, permissions = present.member.effective_role, present.permissions()
    return Caller(user_id, organization_id, role, permissions, user_role=user.role)


def load_active_owners(organization_id: UUID) -> list[UserRow]:
    """Return the users who are active owners of an organization, at most 50, for a mail to each."""
    pk, _ = OrganizationRow.at(organization_id)
    rows = MemberRow.query(pk, MemberRow.sk.startswith(MemberRow.PREFIX), consistent_read=True)
    owners = [row for row in rows if row.role == OrganizationRole.OWNER and row.is_active]
    users = table.get_many([UserRow.at(row.user_id) for row in owners[:50]]).values()
    return [user for user in users if isinstance(user, UserRow)]


def _list_owners(organization_id: UUID) -> Iterator[UUID]:
    """Yield the IDs of the organization's owners, inactive ones included."""
    pk, _ = OrganizationRow.at(organization_id)
    for row in MemberRow.query(pk, MemberRow.sk.startswith(MemberRow.PREFIX), consistent_read=True):
        if row.role == OrganizationRole.OWNER:
            yield UUID(row.user_id)


def require_current_organization(caller: Caller, organization_id: UUID) -> None:
    """Raise OrganizationNotFound unless the organization is the caller's current one: no other one is visible."""
    if organization_id != caller.organization_id:
        raise OrganizationNotFound()


def is_owner(caller: Caller) -> bool:
    """Return whether the caller is an owner, or an operator of the deployment; a key only if it may do everything."""
    return holds_role(caller, OrganizationRole.OWNER)


def require_owner(caller: Caller) -> None:
    """Raise OwnerOnly unless the caller is an owner of their organization."""
    if not is_owner(caller):
        raise OwnerOnly()


def load_permissions(member: OrganizationMember) -> frozenset[str]:
    """Return a member's permissions with wildcards expanded; their custom role is looked up."""
    custom_role = load_role_permissions(member.organization_id, member.custom_role_id)
    return expand_permissions(member.resolve_permissions(custom_role))


def load_role_permissions(organization_id: UUID, role_id: UUID | None) -> list[str] | None:
    """Return the permissions of a custom role: [] when the role is gone, None when `role_id` is None."""
    if role_id is None:
        return None
    row = table.get(RoleRow, RoleRow.at(organization_id, role_id))
    return list(row.permissions) if row else []


def load_permissions_by_role(
    organization_id: UUID, role_ids: Iterable[str | None]
) -> dict[str | None, list[str]]:
    """Return the permissions of the custom roles among `role_ids` by role ID, in one call."""
    keys = [RoleRow.at(organization_id, role_id) for role_id in set(role_ids) if role_id]
    rows = table.get_many(keys).values() if keys else ()
    return {row.id: list(row.permissions) for row in rows if isinstance(row, RoleRow)}


def load_granted_permissions(member: OrganizationMember, *, chooses_role: bool) -> frozenset[str]:
    """Return what a membership grants, for the check of whoever gives it.

    With `chooses_role` that includes what the built-in role below a custom one grants on the day on which the custom
    role is taken away.
    """
    active = member.model_copy(update={"is_active": True})
    granted = load_permissions(active)
    if chooses_role and active.custom_role_id:
        granted |= load_permissions(active.model_copy(update={"custom_role_id": None}))
    return granted


def require_may_grant(caller: Caller, role: str, permissions: Iterable[str]) -> None:
    """Raise CannotGrant for permissions that the caller lacks, OwnerOnly when a non-owner makes an owner.

    An API key grants what it may do itself, whatever its user may do.
    """
    if role == OrganizationRole.OWNER and not is_owner(caller):
        raise OwnerOnly()
    if missing := sorted(expand_permissions(frozenset(permissions)) - expand_permissions(caller.permissions)):
        errors: list[FieldError] = [{"pointer": "", "detail": permission} for permission in missing]
        raise CannotGrant(
            f"You cannot grant permissions that you do not have: {', '.join(missing[:5])}", errors=errors
        )


def require_may_give_role(caller: Caller, role: str) -> None:
    """Raise CannotGrant for an effective role that carries more than its permissions.

    Approvals and shares name custom roles, and admins change what others created; so they are given by owners, admins
    and holders of that very role.
    """
    is_plain = role in PERMISSIONS_BY_ROLE and role not in ROLES_OVER_OTHERS
    if not is_plain and not any(holds_role(caller, held) for held in (*ROLES_OVER_OTHERS, role)):
        raise CannotGrant("Only owners, admins and holders of this role may give it. Ask one of them.")


def require_may_change(caller: Caller, member: OrganizationMember) -> None:
    """Raise OwnerOnly when a non-owner changes an owner, Outranked for a member with permissions the caller lacks."""
    if is_owner(caller):
        return
    if member.role == OrganizationRole.OWNER:
        raise OwnerOnly("Only an owner may change or remove an owner.")
    active = member.model_copy(update={"is_active": True})
    if load_permissions(active) - expand_permissions(caller.permissions):
        raise Outranked()


# The plan's quota of active members and open invitations


def take_member_quota(writes: Transaction, organization: Organization) -> None:
    """Count one more member or invitation; the transaction raises MemberLimitReached when the quota is used up."""
    limit, exceeded = organization.get_plan_limits().max_team_members, _build_member_limit(organization)
    writes.increment(_build_count_row(organization.id), "total", 1, limit=limit, if_refused=exceeded)


def require_member_quota(organization: Organization) -> None:
    """Raise MemberLimitReached when the quota is used up; `take_member_quota` still decides."""
    row = table.get(MemberCountRow, MemberCountRow.at(organization.id))
    if not organization.can_add_member(row.total if row else 0):
        raise _build_member_limit(organization)


def _build_member_limit(organization: Organization) -> MemberLimitReached:
    """Return the MemberLimitReached problem of a full organization, with its advice."""
    limit = organization.get_plan_limits().max_team_members
    return MemberLimitReached(
        f"The plan allows {limit} members and open invitations. Remove one or change the plan."
    )


def release_member_quota(writes: Transaction, organization_id: UUID) -> None:
    """Count one member or invitation less."""
    writes.increment(_build_count_row(organization_id), "total", -1)


def adjust_role_count(writes: Transaction, organization_id: UUID, role_id: UUID | None, step: int) -> None:
    """Count a member or invitation that gets (1) or loses (-1) a custom role; None is ignored.

    The transaction raises RoleNotFound when the role was deleted.
    """
    if role_id is not None:
        pk, sk = RoleRow.at(organization_id, role_id)
        writes.touch(RoleRow(pk=pk, sk=sk), {"member_count": step}, {}, RoleNotFound())


def require_active_organization(writes: Transaction, organization_id: UUID) -> None:
    """Make the transaction raise OrganizationNotFound when the organization is in the trash or inactive."""
    active = OrganizationRow.pk.exists() & (OrganizationRow.is_active == True)  # noqa: E712
    writes.check(OrganizationRow, OrganizationRow.at(organization_id), active, OrganizationNotFound())


def _build_count_row(organization_id: UUID) -> MemberCountRow:
    """Return the organization's counter of members, with its key alone."""
    pk, sk = MemberCountRow.at(organization_id)
    return MemberCountRow(pk=pk, sk=sk)


# An owner who remains


def require_another_owner(writes: Transaction, organization_id: UUID, leaving: UUID) -> None:
    """Make the transaction depend on another active owner than `leaving`; raise LastOwner when there is none.

    Two owners who demote each other at the same time depend on each other's row, so one of them is refused.
    """
    pk, _ = OrganizationRow.at(organization_id)
    for row in MemberRow.query(pk, MemberRow.sk.startswith(MemberRow.PREFIX), consistent_read=True):
        member = row.to_entity()
        if member.user_id != leaving and member.role == OrganizationRole.OWNER and member.is_active:
            is_owner = (MemberRow.role == OrganizationRole.OWNER.value) & (MemberRow.is_active == True)  # noqa: E712
            writes.check(MemberRow, (row.pk, row.sk), is_owner, _build_last_owner())
            return
    raise _build_last_owner()


def retry_on_owner_race(work: Callable[[], T]) -> T:
    """Return the result of `work`, repeating it when the owner it depended on was changed at the same time."""
    for _ in range(ATTEMPTS - 1):
        try:
            return work()
        except LastOwner as error:
            if error.__cause__ is None:  # no race: no other owner exists
                raise
    return work()


def _build_last_owner() -> LastOwner:
    """Return the LastOwner problem with its advice."""
    return LastOwner("An organization always has an owner. Make another member an owner first.")


# The end of a membership


def remove_member(
    writes: Transaction, row: MemberRow, *, if_match: int | None = None, owned: bool = True
) -> None:
    """Remove a member with their share of the quota and their role; the row in the trash tells the audit who did it.

    An organization that is `owned` keeps an owner; one in the trash need not. At most six writes.
    """
    member = row.to_entity()
    organization_id, user_id = member.organization_id, member.user_id
    if owned and member.role == OrganizationRole.OWNER and member.is_active:
        require_another_owner(writes, organization_id, user_id)
    table.move_to_trash(writes, row, MemberRow.in_trash(organization_id, user_id), if_match=if_match)
    forbid_return(writes, organization_id, user_id)
    if member.is_active:
        release_member_quota(writes, organization_id)
    adjust_role_count(writes, organization_id, member.custom_role_id, -1)


def forbid_return(
    writes: Transaction, organization_id: UUID, user_id: UUID, email: str | None = None
) -> None:
    """Mark an address, by default the user's present one, so that no identity provider makes it a member again."""
    if email is None:
        user = table.get(UserRow, UserRow.at(user_id))
        email = user.email if user else None
    if email is not None:
        pk, sk = FormerMemberRow.at(organization_id, email)
        writes.put(FormerMemberRow(pk=pk, sk=sk))


def allow_return(writes: Transaction, organization_id: UUID, email: str) -> None:
    """Remove the mark of `forbid_return`."""
    pk, sk = FormerMemberRow.at(organization_id, email)
    writes.discard(FormerMemberRow(pk=pk, sk=sk))


def end_access(actor: Actor, organization_id: UUID, user_id: UUID) -> None:
    """End a removed user's sessions, and delete their API keys, limits and shares in the organization."""
    sessions.end_sessions_in(organization_id, user_id)
    revoke_api_keys(actor, organization_id, user_id)
    delete_execution_limits(organization_id, user_id)
    delete_shares(organization_id, user_id)


def delete_execution_limits(organization_id: UUID, user_id: UUID) -> None:
    """Delete a user's execution limits in an organization."""
    for limit_type in LimitType:
        pk, sk = ExecutionLimitRow.at(organization_id, user_id, limit_type)
        ExecutionLimitRow(pk=pk, sk=sk).delete()


def delete_shares(organization_id: UUID, user_id: UUID) -> None:
    """Delete everything that was shared with a user in an organization; what they shared with others stays."""
    for purge in registry_index.MEMBER_PURGES:
        registry.resolve(purge)(organization_id, user_id)


def revoke_api_keys(actor: Actor, organization_id: UUID, user_id: UUID) -> None:
    """Revoke a user's API keys in an organization."""
    for match in ApiKeyRow.gsi1.query(ApiKeyRow.of_user(organization_id, user_id)):
        row = table.get(ApiKeyRow, (match.pk, match.sk))
        if row is not None:
            with table.transaction(actor) as writes:
                table.move_to_trash(writes, row, ApiKeyRow.in_trash(organization_id, UUID(row.id)))
