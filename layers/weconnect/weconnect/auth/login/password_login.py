"""Signing in with an e-mail address and a password."""

from uuid import UUID

from weconnect import clock
from weconnect.api.caller import Caller, RequestInfo
from weconnect.auth.account import users
from weconnect.auth.errors import WrongCredentials
from weconnect.auth.login import mfa, throttling
from weconnect.auth.schemas import Login, Tokens
from weconnect.auth.sessions import sessions, sign_in_methods
from weconnect.db import table
from weconnect.errors import Forbidden
from weconnect.identity import passwords
from weconnect.identity.rows import NO_USER_ID, UserRow
from weconnect.organizations import creation
from weconnect.organizations.entities import OrganizationRole
from weconnect.organizations.members.active_membership import ActiveMembership, load_active_membership
from weconnect.organizations.rows import MemberRow


def log_in(body: Login, request: RequestInfo) -> Tokens:
    """Check the credentials, open a session and return its tokens.

    An address without a user takes the same work and fails in the same way. Raises WrongCredentials, MfaRequired,
    WrongMfaCode, TooManyAttempts, or the errors of an organization that does not accept this sign-in.
    """
    attempt = throttling.begin_attempt(body.email, request.ip)
    row = users.find_by_email(attempt.email)
    is_match = passwords.is_match(body.password, row.password if row else None)
    if row is None or not is_match or not attempt.is_account_open:
        throttling.record_failure(attempt)
        raise WrongCredentials()
    if row.mfa_enabled:
        mfa.require_code(row.id, body.mfa_code, attempt)
    throttling.record_success(attempt)
    membership = _choose_membership(row, body.organization_id)
    session = sessions.build_session_row(
        membership.user.id, membership.organization.id, request, mfa=row.mfa_enabled
    )
    try:
        sign_in_methods.require_allowed(session, membership)
    except Forbidden:
        if body.organization_id or not _is_stranded(membership):
            raise
        membership = _create_personal_organization(row)
        session.organization_id = str(membership.organization.id)
    if body.organization_id:
        sessions.require_second_factor(session, membership)
    caller = Caller(
        membership.user.id, membership.organization.id, membership.member.effective_role, frozenset()
    )
    table.create(session, caller.actor())
    stamps = {
        "last_login_at": clock.iso(clock.now()),
        "last_ip_address": request.ip,
        "user_agent": request.user_agent,
    }
    is_unchanged = (UserRow.password == row.password) & (UserRow.is_active == True)  # noqa: E712
    if not table.touch(row, add={"login_count": 1}, put=stamps, condition=is_unchanged):
        session.delete()  # the password was changed, or the account closed, since it was read
        raise WrongCredentials()
    return sessions.issue_tokens(session, membership)


def _choose_membership(row: UserRow, organization_id: UUID | None) -> ActiveMembership:
    """Return the membership of the requested organization, or else of the current one, or else of any."""
    if organization_id:
        return load_active_membership(row.id, organization_id)
    try:
        return load_active_membership(row.id, row.current_organization_id or NO_USER_ID)
    except Forbidden:
        return _choose_any_membership(row)


def _choose_any_membership(row: UserRow) -> ActiveMembership:
    """Return a membership of a user whose current organization is gone; without one, a new personal organization's."""
    for member in MemberRow.gsi1.query(MemberRow.of_user(row.id)):
        try:
            return load_active_membership(row.id, member.organization_id)
        except Forbidden:
            continue
    return _create_personal_organization(row)


def _create_personal_organization(row: UserRow) -> ActiveMembership:
    """Create a personal organization, make it the user's current one, and return the membership.

    No limit refuses it: a user without any organization to act in could not sign in.
    """
    draft = creation.draft_personal_organization(row)
    with table.transaction({"userId": row.id, "organizationId": str(draft.organization.id)}) as writes:
        writes.change(row, draft.add_as_refuge(writes))
    return load_active_membership(row.id, draft.organization.id)


def _is_stranded(membership: ActiveMembership) -> bool:
    """Return whether the user has no other organization than this one, and does not own it.

    The tenant may have created the account through its identity provider, so that a password leads nowhere.
    """
    rows = MemberRow.gsi1.query(MemberRow.of_user(membership.user.id))
    others = [row for row in rows if row.organization_id != str(membership.organization.id)]
    return membership.member.role != OrganizationRole.OWNER and not others
