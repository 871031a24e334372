"""What every change of a membership has to hold: who may grant what, the plan's places, and an owner who stays."""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.auth.entities import LimitType
from weconnect.auth.rows import ApiKeyRow, ExecutionLimitRow
from weconnect.auth.sessions import sessions
from weconnect.db import table
from weconnect.db.table import Transaction
from weconnect.errors import Conflict, Forbidden, LimitReached, NotFound, Problem, Unauthenticated
from weconnect.identity.permissions import ROLES, WORDS, spelled_out
from weconnect.organizations.entities import Organization, OrganizationMember, OrganizationRole
from weconnect.organizations.rows import MemberCountRow, MemberRow, OrganizationRow, RoleRow
from weconnect.workflows.sharing.rows import WorkflowShareRow

ATTEMPTS = 8

T = TypeVar("T")


@dataclass(frozen=True)
class Holder:
    """What somebody holds in an organization now, whatever their token says."""

    role: str
    words: frozenset[str]

    @property
    def is_owner(self) -> bool:
        return self.role == OrganizationRole.OWNER


class OwnerLost(Conflict):
    code, title = "last_owner", "An organization always has an owner"


def holder(caller: Caller, organization_id: UUID | None = None) -> Holder:
    """The caller's standing in their organization, or in another, else Forbidden; an operator's is an owner's.

    Through an API key one gives what a plain member has and what the key may do itself, and is an owner only when
    that is everything.
    """
    organization_id = organization_id or caller.organization_id
    if caller.is_operator:
        return Holder(OrganizationRole.OWNER, WORDS)
    row = table.get(MemberRow, MemberRow.at(organization_id, caller.user_id))
    member: OrganizationMember | None = row.to_entity() if row else None
    if member is None or member.is_pending or not member.is_active:
        raise Forbidden("You are not a member of this organization", code="not_a_member")
    own = words_of(member)
    words = own & (caller.permissions | ROLES["member"]) if caller.api_key_id else own
    return Holder(member.role if words == own else "", words)


def stand_in(organization_id: UUID, user_id: UUID) -> UUID:
    """In whose name goes on what a user has set going: their own, or an owner's once they may not act here any more.

    Raises Unauthenticated or Forbidden when no owner may either, as while the organization is not active.
    """
    refusal: Problem | None = None
    for candidate in itertools.chain([user_id], _owners(organization_id)):
        try:
            sessions.standing(candidate, organization_id)
        except (Unauthenticated, Forbidden) as error:
            refusal = refusal or error
        else:
            return candidate
    raise refusal or no_organization()


def _owners(organization_id: UUID) -> Iterator[UUID]:
    pk, _ = OrganizationRow.at(organization_id)
    for row in MemberRow.query(pk, MemberRow.sk.startswith(MemberRow.PREFIX), consistent_read=True):
        if row.role == OrganizationRole.OWNER:
            yield UUID(row.user_id)


def require_current(caller: Caller, organization_id: UUID) -> None:
    """Raise NotFound unless the path's organization is the caller's: no other one is to be seen."""
    if organization_id != caller.organization_id:
        raise no_organization()


def no_organization() -> NotFound:
    """What an organization is that is not there, or not to be seen."""
    return NotFound("No such organization", code="organization_not_found")


def require_owner(caller: Caller) -> None:
    """Raise Forbidden unless the caller is an owner of their organization at this moment."""
    if not holder(caller).is_owner:
        raise owner_only()


def owner_only() -> Forbidden:
    """What those who are no owner are told."""
    return Forbidden("Only an owner may do this", code="owner_only")


def words_of(member: OrganizationMember) -> frozenset[str]:
    """A member's permissions, every one spelled out, with their custom role looked up."""
    return spelled_out(member.effective_words(role_words(member.organization_id, member.custom_role_id)))


def role_words(organization_id: UUID, role_id: UUID | None) -> list[str] | None:
    """The words of a custom role; None without one."""
    if role_id is None:
        return None
    row = table.get(RoleRow, RoleRow.at(organization_id, role_id))
    return list(row.permissions) if row else []


def words_by_role(organization_id: UUID, role_ids: Iterable[str | None]) -> dict[str | None, list[str]]:
    """The words of the custom roles among `role_ids`, in one call."""
    at = [RoleRow.at(organization_id, role_id) for role_id in {one for one in role_ids if one}]
    found = table.get_many(at) if at else {}
    return {str(row.id): list(row.permissions) for row in found.values()}


def require_may_grant(held: Holder, role: str, words: Iterable[str]) -> None:
    """Nobody gives what he does not hold, and only an owner makes owners."""
    if role == OrganizationRole.OWNER and not held.is_owner:
        raise owner_only()
    if more := sorted(spelled_out(frozenset(words)) - held.words):
        errors = [{"pointer": "", "detail": word} for word in more]
        raise Forbidden(
            f"You do not hold this yourself: {', '.join(more[:5])}", code="cannot_grant", errors=errors
        )


def require_may_change(held: Holder, member: OrganizationMember) -> None:
    """Nobody changes or removes an owner but an owner, or somebody who holds more than he does."""
    if held.is_owner:
        return
    if member.role == OrganizationRole.OWNER:
        raise Forbidden("Only an owner may change an owner", code="owner_only")
    if words_of(member.model_copy(update={"is_active": True})) - held.words:
        raise Forbidden("This member holds more than you do", code="outranked")


# Places of the plan: active members and open invitations


def take_place(writes: Transaction, organization: Organization) -> None:
    """Count one more member or invitation; LimitReached when the plan has no place left."""
    limit = organization.get_plan_limits().max_team_members
    refused = LimitReached(
        f"The plan has {limit} places for members and open invitations", code="member_limit_reached"
    )
    writes.count(_count(organization.id), "total", 1, limit=limit, refused=refused)


def free_place(writes: Transaction, organization_id: UUID) -> None:
    """Count one less."""
    writes.count(_count(organization_id), "total", -1)


def count_role(writes: Transaction, organization_id: UUID, role_id: UUID | None, step: int) -> None:
    """Count a member or invitation that gets (1) or loses (-1) a custom role, which must be there still."""
    if role_id is not None:
        pk, sk = RoleRow.at(organization_id, role_id)
        writes.touch(RoleRow(pk=pk, sk=sk), {"member_count": step}, {}, no_role())


def no_role() -> NotFound:
    """What a role is that is not there."""
    return NotFound("No such role", code="role_not_found")


def check_organization(writes: Transaction, organization_id: UUID) -> None:
    """Refuse the transaction when the organization is in the trash, or not active."""
    active = OrganizationRow.pk.exists() & (OrganizationRow.is_active == True)  # noqa: E712
    writes.check(OrganizationRow, OrganizationRow.at(organization_id), active, no_organization())


def _count(organization_id: UUID) -> MemberCountRow:
    pk, sk = MemberCountRow.at(organization_id)
    return MemberCountRow(pk=pk, sk=sk)


# An owner who stays


def keep_an_owner(writes: Transaction, organization_id: UUID, leaving: UUID) -> None:
    """Make the transaction hold only while another active owner is one; OwnerLost when there is none.

    Two owners who demote each other at once each depend on the other's row, so one of them is refused.
    """
    pk, _ = OrganizationRow.at(organization_id)
    for row in MemberRow.query(pk, MemberRow.sk.startswith(MemberRow.PREFIX), consistent_read=True):
        member = row.to_entity()
        if (
            member.user_id != leaving
            and member.role == OrganizationRole.OWNER
            and member.is_active
            and not member.is_pending
        ):
            is_owner = (MemberRow.role == OrganizationRole.OWNER.value) & (MemberRow.is_active == True)  # noqa: E712
            writes.check(MemberRow, (row.pk, row.sk), is_owner, _last_owner())
            return
    raise _last_owner()


def with_an_owner_left(work: Callable[[], T]) -> T:
    """Do `work`, and again when the owner that it counted on was changed at the same time."""
    for _ in range(ATTEMPTS - 1):
        try:
            return work()
        except OwnerLost as error:
            if error.__cause__ is None:  # nobody raced: there is no other owner
                raise
    return work()


def _last_owner() -> OwnerLost:
    return OwnerLost("Make another member an owner first")


# What ends with a membership


def depart(writes: Transaction, row: MemberRow, *, if_match: int | None = None, owned: bool = True) -> None:
    """Take a member out with their place and their role; the trash row tells the audit who did it.

    An organization that is `owned` keeps an owner; one in the trash need not. An invitation keeps its place when its
    pending member goes. At most five writes.
    """
    member: OrganizationMember = row.to_entity()
    organization_id, user_id = member.organization_id, member.user_id
    if member.is_pending:
        writes.delete(row, if_match=if_match)
        return
    if owned and member.role == OrganizationRole.OWNER and member.is_active:
        keep_an_owner(writes, organization_id, user_id)
    table.trash(writes, row, MemberRow.in_trash(organization_id, user_id), if_match=if_match)
    if member.is_active:
        free_place(writes, organization_id)
    count_role(writes, organization_id, member.custom_role_id, -1)


def end_sessions(organization_id: UUID, user_id: UUID) -> None:
    """End a user's sessions in an organization; an access token of one lives on for its 15 minutes."""
    for session in sessions.of_user(user_id):
        if session.organization_id == str(organization_id):
            session.delete()


def forget_limits(organization_id: UUID, user_id: UUID) -> None:
    """Remove a user's execution limits in an organization."""
    for kind in LimitType:
        pk, sk = ExecutionLimitRow.at(organization_id, user_id, kind)
        ExecutionLimitRow(pk=pk, sk=sk).delete()


def end_shares(organization_id: UUID, user_id: UUID) -> None:
    """Remove what was shared with a user in an organization; what they gave to others stays."""
    for row in WorkflowShareRow.gsi1.query(WorkflowShareRow.of_user(organization_id, user_id)):
        row.delete()


def end_keys(actor: dict[str, Any], organization_id: UUID, user_id: UUID) -> None:
    """Revoke a user's API keys in an organization."""
    for found in ApiKeyRow.gsi1.query(ApiKeyRow.of_user(organization_id, user_id)):
        row = table.get(ApiKeyRow, (found.pk, found.sk))
        if row is not None:
            with table.transaction(actor) as writes:
                table.trash(writes, row, ApiKeyRow.trashed_at(organization_id, UUID(row.id)))
