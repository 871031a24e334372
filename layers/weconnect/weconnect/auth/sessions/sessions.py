"""Sessions: opening them, renewing their tokens, ending them.

Each refresh moves a session to its next generation. A refresh token of the generation before gets the same successor
for ten seconds, because two browser tabs may refresh at the same time. An older token means that a copy of it exists,
and ends the session.
"""

from datetime import UTC, datetime
from uuid import UUID

from weconnect import clock, ids
from weconnect.api.caller import Caller, RequestInfo
from weconnect.api.errors import MfaRequiredByOrganization
from weconnect.api.pagination import Page, query_page
from weconnect.auth.errors import (
    RefreshTokenReused,
    SessionEnded,
    SessionNotFound,
    SsoSession,
)
from weconnect.auth.schemas import Logout, Session, Tokens
from weconnect.auth.sessions import session_rules, sign_in_methods, tokens
from weconnect.auth.sessions.tokens import AccessClaims
from weconnect.db import table
from weconnect.identity.rows import SessionRow
from weconnect.identity.sessions import end_sessions
from weconnect.identity.verified_addresses import is_operator
from weconnect.log import logger
from weconnect.organizations.entities import Organization
from weconnect.organizations.members.active_membership import ActiveMembership, load_active_membership

IDLE_SECONDS = 30 * 86_400
TOTAL_SECONDS = 90 * 86_400
GRACE_SECONDS = 10


# Opening a session


def build_session_row(
    user_id: UUID, organization_id: UUID, request: RequestInfo, *, mfa: bool = False
) -> SessionRow:
    """Return the row of a new session for the caller to store; `mfa` means that a second factor was verified."""
    pk, sk = SessionRow.at(user_id, ids.new_id())
    return SessionRow(
        pk=pk,
        sk=sk,
        user_id=str(user_id),
        organization_id=str(organization_id),
        generation=1,
        rotated_at=clock.now().timestamp(),
        mfa=mfa,
        ip=request.ip,
        user_agent=request.user_agent,
        ttl=clock.epoch_seconds() + IDLE_SECONDS,
    )


def issue_tokens(session: SessionRow, membership: ActiveMembership) -> Tokens:
    """Return an access token and the refresh token of the session's current generation."""
    user = membership.user
    access = AccessClaims(
        user_id=str(user.id),
        session_id=session.id,
        organization_id=str(membership.organization.id),
        role=membership.member.effective_role,
        permissions=tuple(sorted(membership.permissions())),
        has_second_factor=bool(session.mfa and user.mfa_enabled),
        is_operator=is_operator(user) and not session.sso_organization_id,
        is_sso=bool(session.sso_organization_id),
        user_role=user.role,
        lacks_second_factor=lacks_second_factor(session, membership),
    )
    return Tokens(
        access_token=tokens.sign_access_token(access),
        refresh_token=tokens.sign_refresh_token(user.id, UUID(session.id), session.generation),
        expires_in=tokens.ACCESS_SECONDS,
    )


def lacks_second_factor(session: SessionRow, membership: ActiveMembership) -> bool:
    """Return whether the organization enforces a second factor that this session was opened without."""
    facts, rules = (
        sign_in_methods.build_facts(session, membership),
        sign_in_methods.read_rules(membership.organization),
    )
    return session_rules.lacks_second_factor(facts, rules)


def require_second_factor(session: SessionRow, membership: ActiveMembership) -> None:
    """Raise MfaRequiredByOrganization when the session lacks the second factor that the organization enforces.

    Call it only for an organization that the request names: a session that is in its organization already gets tokens
    without this check, so that its user can enroll a second factor.
    """
    if lacks_second_factor(session, membership):
        raise MfaRequiredByOrganization(
            "This organization requires a second factor. Turn it on in another organization, or sign in with it."
        )


# Renewing and moving a session


def refresh_tokens(refresh_token: str, organization_id: UUID | None) -> Tokens:
    """Exchange a refresh token for the tokens of the next generation, for `organization_id` if it is not None.

    Raises InvalidRefreshToken, RefreshTokenReused, SessionEnded, SessionExpired, or the errors of
    `load_active_membership`, `require_allowed` and `require_second_factor`.
    """
    user_id, session_id, generation = tokens.verify_refresh_token(refresh_token)
    session = _require_session(user_id, session_id)
    _refuse_reuse(session, generation)
    _refuse_foreign_organization(session, organization_id or session.organization_id)
    membership = load_active_membership(user_id, organization_id or session.organization_id)
    sign_in_methods.require_allowed(session, membership)
    _refuse_timed_out(session, membership.organization)
    if organization_id and str(organization_id) != session.organization_id:
        require_second_factor(session, membership)
    if generation == session.generation and not _advance(session, membership.organization.id):
        session = _require_session(user_id, session_id)
        _refuse_reuse(session, generation)
    return issue_tokens(session, membership)


def switch_session(user_id: UUID, session_id: str, organization_id: UUID) -> tuple[Tokens, ActiveMembership]:
    """Move a session to another organization of its user, as its next generation; return the tokens for it."""
    session = _require_session(user_id, session_id)
    _refuse_foreign_organization(session, organization_id)
    membership = load_active_membership(user_id, organization_id)
    sign_in_methods.require_allowed(session, membership)
    _refuse_timed_out(session, membership.organization)
    require_second_factor(session, membership)
    if not _advance(session, organization_id):
        session = _require_session(user_id, session_id)
        if not _advance(session, organization_id):
            raise SessionEnded()
    return issue_tokens(session, membership), membership


# Listing and ending sessions


def log_out(caller: Caller, body: Logout | None) -> None:
    """End the caller's session, or all of their sessions. A single sign-on session ends only itself."""
    if body and body.everywhere and caller.is_sso:
        raise SsoSession("A single sign-on session can only end itself. Leave out `everywhere`.")
    if body and body.everywhere:
        end_sessions(caller.user_id)
    else:
        assert caller.session_id
        end_session(caller.user_id, caller.session_id)


def end_session(user_id: UUID, session_id: str) -> None:
    """End one session. Idempotent."""
    pk, sk = SessionRow.at(user_id, session_id)
    SessionRow(pk=pk, sk=sk).delete()


def end_own_session(caller: Caller, session_id: UUID) -> None:
    """End one of the caller's sessions. Raises SessionNotFound."""
    table.require(SessionRow, SessionRow.at(caller.user_id, session_id), SessionNotFound).delete()


def find(caller: Caller, *, limit: int, cursor: str | None) -> Page[Session]:
    """Return a page of the caller's open sessions, newest first."""
    pk, _ = SessionRow.at(caller.user_id, "")
    rows, next_cursor = query_page(SessionRow, pk, SessionRow.PREFIX, limit=limit, cursor=cursor)
    return Page(items=[to_session(row, caller.session_id) for row in rows], next_cursor=next_cursor)


def to_session(row: SessionRow, current_session_id: str | None) -> Session:
    """Return a session as its user sees it; `current_session_id` is the session of the request."""
    assert row.ttl
    return Session(
        id=UUID(row.id),
        organization_id=UUID(row.organization_id),
        created_at=datetime.fromisoformat(row.created_at),
        last_used_at=datetime.fromtimestamp(row.rotated_at, UTC),
        expires_at=datetime.fromtimestamp(row.ttl, UTC),
        ip=row.ip,
        user_agent=row.user_agent,
        mfa=row.mfa,
        current=row.id == current_session_id,
    )


def _require_session(user_id: UUID, session_id: object) -> SessionRow:
    """Return the row of a session. Raises SessionEnded when there is none."""
    session = table.get(SessionRow, SessionRow.at(user_id, session_id))
    if session is None:
        raise SessionEnded()
    return session


def _refuse_reuse(session: SessionRow, generation: int) -> None:
    """End the session and raise RefreshTokenReused for a token that is neither current nor in the grace period."""
    is_late = clock.now().timestamp() - session.rotated_at > GRACE_SECONDS
    if generation == session.generation or (generation == session.generation - 1 and not is_late):
        return
    session.delete()
    logger.warning("refresh token reused, session ended", security=True, user_id=session.user_id)
    raise RefreshTokenReused("This refresh token was used before. Sign in again.")


def _refuse_foreign_organization(session: SessionRow, organization_id: object) -> None:
    """Raise SsoSession when a single sign-on session is to act in another organization than its own."""
    session_rules.require_bound_organization(sign_in_methods.build_facts(session), organization_id)


def _refuse_timed_out(session: SessionRow, organization: Organization) -> None:
    """Raise SessionExpired for a session that is older than the organization's session timeout."""
    facts = sign_in_methods.build_facts(session)
    session_rules.refuse_timed_out(facts, sign_in_methods.read_rules(organization))


def _advance(session: SessionRow, organization_id: UUID) -> bool:
    """Move a session to its next generation; return False when another request did, or the session has ended."""
    age_seconds = sign_in_methods.build_facts(session).age_seconds
    ends = clock.epoch_seconds() + min(IDLE_SECONDS, TOTAL_SECONDS - int(age_seconds))
    values = {
        "generation": session.generation + 1,
        "rotated_at": clock.now().timestamp(),
        "organization_id": str(organization_id),
        "ttl": ends,
    }
    return table.touch(session, put=values, condition=SessionRow.generation == session.generation)
