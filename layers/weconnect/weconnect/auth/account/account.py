"""One's own account as a whole: taking one's data along, and leaving.

What is left of somebody who left: the ids in what they made in organizations that go on, and in the record of changes.
"""

from dataclasses import replace
from uuid import UUID

from weconnect import clock
from weconnect.api.caller import Caller
from weconnect.auth.account import users
from weconnect.auth.account.schemas import UserExport
from weconnect.auth.entities import LimitType
from weconnect.auth.rows import ApiKeyRow, ExecutionLimitRow, MfaRow, UserRow
from weconnect.auth.sessions import sessions
from weconnect.db import table
from weconnect.db.table import Row
from weconnect.errors import Conflict
from weconnect.organizations import deletion
from weconnect.organizations.entities import OrganizationMember, OrganizationRole
from weconnect.organizations.members import membership
from weconnect.organizations.rows import MemberRow, OrganizationRow

LEFT_AT_ONCE = 10
"""Memberships that end in the transaction that deletes the user; each takes up to nine of its hundred writes."""


def export(caller: Caller) -> UserExport:
    """Everything that is kept about the caller, without secrets."""
    row = table.need(UserRow, UserRow.at(caller.user_id), "user")
    members = [found.to_entity() for found in _memberships(caller.user_id)]
    organizations = [member.organization_id for member in members]
    limits = [
        ExecutionLimitRow.at(organization, caller.user_id, kind)
        for organization in organizations
        for kind in LimitType
    ]
    found: dict[tuple[str, str], Row] = {}
    for start in range(0, len(limits), 100):
        found |= table.get_many(limits[start : start + 100])
    keys = [key for organization in organizations for key in _api_keys(organization, caller.user_id)]
    return UserExport(
        exported_at=clock.now(),
        user=row.to_entity().public(),
        memberships=members,
        sessions=[sessions.view(session, caller.session_id) for session in sessions.of_user(caller.user_id)],
        api_keys=[key.to_entity().public() for key in keys],
        execution_limits=[found[at].to_entity() for at in limits if at in found],
    )


def delete(caller: Caller) -> None:
    """Delete the caller's account and what belongs to nobody else; Conflict `last_owner` where others would be left.

    Organizations go to the trash first and the user goes last, so that who is interrupted asks again.
    """
    sessions.require_open(caller)
    rows = _memberships(caller.user_id)
    alone = [row for row in rows if _goes_on(row) and not _others(row)]
    for row in rows:
        if row not in alone and _goes_on(row):
            _refuse_last_owner(row.to_entity(), _others(row))
    for row in alone:
        organization_id = UUID(row.organization_id)
        there = replace(caller, organization_id=organization_id, role=OrganizationRole.OWNER.value)
        deletion.delete(there, organization_id, None)
    left = list(rows)
    while len(left) > LEFT_AT_ONCE:
        _leave(caller, [left.pop()])
    _leave(caller, left, last=True)
    for row in rows:
        for key in _api_keys(row.organization_id, caller.user_id):
            key.delete()
        membership.end_shares(UUID(row.organization_id), caller.user_id)
    sessions.end_all(caller.user_id)


def _leave(caller: Caller, rows: list[MemberRow], *, last: bool = False) -> None:
    """End memberships, and with the `last` ones the user, the address and the second factor."""

    def work() -> None:
        with table.transaction(caller.actor()) as writes:
            for row in rows:
                if row.to_entity().is_pending:
                    writes.discard(row)  # the invitation has the place, and stays open to the address
                else:
                    membership.depart(writes, row, owned=_goes_on(row))
            if last:
                user = table.need(UserRow, UserRow.at(caller.user_id), "user")
                writes.delete(user)
                writes.delete(users.email_row(user.email, user.id))
                pk, sk = MfaRow.at(caller.user_id)
                writes.discard(MfaRow(pk=pk, sk=sk))

    membership.with_an_owner_left(work)


def _memberships(user_id: UUID) -> list[MemberRow]:
    """The user's memberships, pending ones too, as the table has them now."""
    found = MemberRow.gsi1.query(MemberRow.of_user(user_id))
    rows = [table.get(MemberRow, MemberRow.at(row.organization_id, user_id)) for row in found]
    return [row for row in rows if row is not None]


def _goes_on(row: MemberRow) -> bool:
    """Whether the organization is not in the trash."""
    return table.get(OrganizationRow, OrganizationRow.at(row.organization_id)) is not None


def _refuse_last_owner(member: OrganizationMember, others: list[OrganizationMember]) -> None:
    if member.role != OrganizationRole.OWNER:
        return
    owners = [other for other in others if other.role == OrganizationRole.OWNER]
    if not any(other.is_active and not other.is_pending for other in owners):
        detail = (
            "You are the only owner of an organization with other members; make one of them an owner first"
        )
        errors = [{"pointer": "", "detail": str(member.organization_id)}]
        raise Conflict(detail, code="last_owner", errors=errors)


def _others(row: MemberRow) -> list[OrganizationMember]:
    """The other members, pending ones too."""
    pk, _ = OrganizationRow.at(row.organization_id)
    rows = MemberRow.query(pk, MemberRow.sk.startswith(MemberRow.PREFIX), consistent_read=True)
    found: list[OrganizationMember] = [row.to_entity() for row in rows if not table.is_expired(row)]
    return [other for other in found if str(other.user_id) != row.user_id]


def _api_keys(organization_id: object, user_id: object) -> list[ApiKeyRow]:
    found = ApiKeyRow.gsi1.query(ApiKeyRow.of_user(organization_id, user_id))
    rows = [table.get(ApiKeyRow, (row.pk, row.sk)) for row in found]
    return [row for row in rows if row is not None]
