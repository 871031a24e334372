"""The caller's account as a whole: the export of personal data, and its deletion.

After a deletion, the user's ID remains in what they created in organizations that others own, and in the audit trail.
"""

from dataclasses import replace
from uuid import UUID

from weconnect import clock
from weconnect.api.caller import Caller
from weconnect.auth.account import users
from weconnect.auth.login.confirmation import require_confirmation
from weconnect.auth.rows import MfaRow
from weconnect.auth.schemas import Confirmation, UserExport
from weconnect.auth.sessions import sessions
from weconnect.db import table
from weconnect.identity.entities import ExecutionLimit, LimitType
from weconnect.identity.errors import UserNotFound
from weconnect.identity.rows import ApiKeyRow, ExecutionLimitRow, UserRow
from weconnect.identity.sessions import end_sessions, open_sessions
from weconnect.organizations import deletion
from weconnect.organizations.entities import OrganizationMember, OrganizationRole
from weconnect.organizations.errors import LastOwner
from weconnect.organizations.members import membership
from weconnect.organizations.rows import MemberRow, OrganizationRow, OwnedOrganizationsRow

MEMBERSHIPS_PER_TRANSACTION = 10
"""Memberships that end in the transaction that deletes the user; each takes up to nine of its hundred writes."""


def export(caller: Caller) -> UserExport:
    """Return all stored data about the caller, without secrets."""
    row = table.require(UserRow, UserRow.at(caller.user_id), UserNotFound)
    members = [member_row.to_entity() for member_row in _load_memberships(caller.user_id)]
    organization_ids = [member.organization_id for member in members]
    api_key_rows = [
        api_key_row
        for organization_id in organization_ids
        for api_key_row in _load_api_keys(organization_id, caller.user_id)
    ]
    return UserExport(
        exported_at=clock.now(),
        user=row.to_entity().public(),
        memberships=members,
        sessions=[
            sessions.to_session(session, caller.session_id) for session in open_sessions(caller.user_id)
        ],
        api_keys=[api_key_row.to_entity().public() for api_key_row in api_key_rows],
        execution_limits=_load_execution_limits(organization_ids, caller.user_id),
    )


def delete(caller: Caller, body: Confirmation | None) -> None:
    """Delete the caller's account and the organizations that have no other member.

    Organizations go to the trash first and the user is deleted last, so that an interrupted deletion can be repeated.
    Raises LastOwner when an organization with other members would be left without an owner, or the errors of
    `require_confirmation`.
    """
    require_confirmation(caller, body)
    rows = _load_memberships(caller.user_id)
    only_member_rows = [row for row in rows if _is_in_use(row) and not _load_other_members(row)]
    for row in rows:
        if row not in only_member_rows and _is_in_use(row):
            _refuse_last_owner(row.to_entity(), _load_other_members(row))
    for row in only_member_rows:
        organization_id = UUID(row.organization_id)
        owner = replace(
            caller,
            organization_id=organization_id,
            role=OrganizationRole.OWNER.value,
            membership_problem=None,
        )
        deletion.delete(owner, organization_id, None)
    remaining_rows = list(rows)
    while len(remaining_rows) > MEMBERSHIPS_PER_TRANSACTION:
        _end_memberships(caller, [remaining_rows.pop()])
    _end_memberships(caller, remaining_rows, with_user=True)
    for row in rows:
        for api_key_row in _load_api_keys(row.organization_id, caller.user_id):
            api_key_row.delete()
        membership.delete_shares(UUID(row.organization_id), caller.user_id)
    end_sessions(caller.user_id)


def _end_memberships(caller: Caller, rows: list[MemberRow], *, with_user: bool = False) -> None:
    """End memberships in one transaction; `with_user` also deletes the user, their address and second factor."""

    def end() -> None:
        """End the memberships, and delete the user's rows if requested, in one transaction."""
        with table.transaction(caller.actor()) as writes:
            for row in rows:
                membership.remove_member(writes, row, owned=_is_in_use(row))
            if with_user:
                user_row = table.require(UserRow, UserRow.at(caller.user_id), UserNotFound)
                writes.delete(user_row)
                writes.delete(users.build_email_row(user_row.email, user_row.id))
                pk, sk = MfaRow.at(caller.user_id)
                writes.discard(MfaRow(pk=pk, sk=sk))
                pk, sk = OwnedOrganizationsRow.at(caller.user_id)
                writes.discard(OwnedOrganizationsRow(pk=pk, sk=sk))

    membership.retry_on_owner_race(end)


def _load_memberships(user_id: UUID) -> list[MemberRow]:
    """Return the user's memberships, read from the table because the index lags behind."""
    index_rows = MemberRow.gsi1.query(MemberRow.of_user(user_id))
    rows = [table.get(MemberRow, MemberRow.at(row.organization_id, user_id)) for row in index_rows]
    return [row for row in rows if row is not None]


def _is_in_use(row: MemberRow) -> bool:
    """Return whether the organization of a membership is not in the trash."""
    return table.get(OrganizationRow, OrganizationRow.at(row.organization_id)) is not None


def _refuse_last_owner(member: OrganizationMember, others: list[OrganizationMember]) -> None:
    """Raise LastOwner when `member` is an owner and none of `others` is an active one."""
    if member.role != OrganizationRole.OWNER:
        return
    if not any(other.is_active for other in others if other.role == OrganizationRole.OWNER):
        raise LastOwner(
            "You are the only owner of an organization with other members. Make one of them an owner first.",
            errors=[{"pointer": "", "detail": str(member.organization_id)}],
        )


def _load_other_members(row: MemberRow) -> list[OrganizationMember]:
    """Return the other members of the same organization."""
    pk, _ = OrganizationRow.at(row.organization_id)
    rows = MemberRow.query(pk, MemberRow.sk.startswith(MemberRow.PREFIX), consistent_read=True)
    members = [other.to_entity() for other in rows if not table.is_expired(other)]
    return [member for member in members if str(member.user_id) != row.user_id]


def _load_api_keys(organization_id: object, user_id: object) -> list[ApiKeyRow]:
    """Return a user's API keys in an organization, each read from the table because the index lags behind."""
    index_rows = ApiKeyRow.gsi1.query(ApiKeyRow.of_user(organization_id, user_id))
    rows = [table.get(ApiKeyRow, (row.pk, row.sk)) for row in index_rows]
    return [row for row in rows if row is not None]


def _load_execution_limits(organization_ids: list[UUID], user_id: UUID) -> list[ExecutionLimit]:
    """Return a user's execution limits in several organizations, read in batches of 100."""
    keys = [
        ExecutionLimitRow.at(organization_id, user_id, limit_type)
        for organization_id in organization_ids
        for limit_type in LimitType
    ]
    limits: list[ExecutionLimit] = []
    for start in range(0, len(keys), 100):
        batch = keys[start : start + 100]
        rows = table.get_many(batch)
        limits += [row.to_entity() for at in batch if isinstance(row := rows.get(at), ExecutionLimitRow)]
    return limits
