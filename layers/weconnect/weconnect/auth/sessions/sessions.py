"""Sessions: signing in, renewing the tokens, ending.

Each refresh moves the session to its next generation. The generation before gets the same successor for ten
seconds, because two tabs refresh at once; an older one means that a token was copied, and ends the session.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from weconnect import clock, ids
from weconnect.api.caller import Caller, RequestInfo
from weconnect.api.pagination import Page, query_page
from weconnect.auth.account.schemas import Session
from weconnect.auth.entities import Tokens, User
from weconnect.auth.rows import SessionRow, UserRow
from weconnect.auth.sessions import sign_in_methods, tokens
from weconnect.auth.sessions.tokens import Access
from weconnect.db import table
from weconnect.db.table import Row
from weconnect.errors import Forbidden, Unauthenticated
from weconnect.identity import permissions
from weconnect.log import logger
from weconnect.organizations.entities import Organization, OrganizationMember
from weconnect.organizations.rows import MemberRow, OrganizationRow, RoleRow

IDLE_SECONDS = 30 * 86_400
TOTAL_SECONDS = 90 * 86_400
GRACE_SECONDS = 10


@dataclass(frozen=True)
class Standing:
    """A user in one organization, allowed to act there."""

    user: User
    member: OrganizationMember
    organization: Organization
    custom_role: list[str] | None = None

    def permissions(self) -> frozenset[str]:
        """What the user may do here."""
        return permissions.within_user_role(self.member.effective_words(self.custom_role), self.user.role)


def standing(user_id: object, organization_id: object) -> Standing:
    """Read a user's standing; raises Unauthenticated or Forbidden when there is none."""
    at = (UserRow.at(user_id), MemberRow.at(organization_id, user_id), OrganizationRow.at(organization_id))
    found = table.get_many(list(at))
    user, member, organization = (found[key].to_entity() if key in found else None for key in at)
    if not user or not user.is_active:
        raise Unauthenticated("This account is not active", code="account_inactive")
    if not member or not organization or not member.is_active or member.is_pending:
        raise Forbidden("You are not a member of this organization", code="not_a_member")
    if not organization.is_active:
        raise Forbidden("This organization is not active", code="organization_inactive")
    return Standing(user, member, organization, _custom_role(member))


def _custom_role(member: OrganizationMember) -> list[str] | None:
    if member.custom_role_id is None:
        return None
    row = table.get(RoleRow, RoleRow.at(member.organization_id, member.custom_role_id))
    return list(row.permissions) if row else None


def new_row(user_id: UUID, organization_id: UUID, request: RequestInfo, *, mfa: bool = False) -> SessionRow:
    """A session that begins now, to be stored by the caller; `mfa` when a second factor was shown."""
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
        ttl=clock.epoch() + IDLE_SECONDS,
    )


def issue(session: SessionRow, who: Standing) -> Tokens:
    """The tokens of the session's current generation."""
    session_id = session.sk.removeprefix(SessionRow.PREFIX)
    access = Access(
        user_id=str(who.user.id),
        session_id=session_id,
        organization_id=str(who.organization.id),
        role=who.member.role,
        permissions=tuple(sorted(who.permissions())),
        mfa=bool(session.mfa and who.user.mfa_enabled),
        operator=is_operator(who.user) and not session.sso_organization_id,
        sso=bool(session.sso_organization_id),
        user_role=who.user.role,
        needs_second_factor=lacks_second_factor(session, who),
    )
    return Tokens(
        access_token=tokens.sign_access(access),
        refresh_token=tokens.sign_refresh(who.user.id, UUID(session_id), int(session.generation)),
        expires_in=tokens.ACCESS_SECONDS,
    )


def lacks_second_factor(session: SessionRow, who: Standing) -> bool:
    """Whether the organization wants a second factor that this session was not begun with.

    Where people sign in through the organization's own provider, the factors are that one's business.
    """
    security = who.organization.custom_settings.security
    shown = bool(session.sso_organization_id) or (session.mfa and who.user.mfa_enabled)
    return bool(security and security.enforce_mfa) and not shown


def require_second_factor(session: SessionRow, who: Standing) -> None:
    """Refuse an organization that was asked for by name; a session that is there already may only enroll."""
    if lacks_second_factor(session, who):
        raise Forbidden(
            "This organization wants a second factor; turn it on in another one first, or sign in with it",
            code="mfa_required_by_organization",
        )


def is_operator(user: User) -> bool:
    """Whether the user operates the deployment: role admin, at an address that was verified."""
    return user.role == "admin" and user.email_verified


def refresh(refresh_token: str, organization_id: UUID | None) -> Tokens:
    """Exchange a refresh token for the next generation's tokens, for `organization_id` if one is named."""
    user_id, session_id, generation = tokens.read_refresh(refresh_token)
    session = _need(user_id, session_id)
    _refuse_reuse(session, generation)
    sign_in_methods.require_here(session, organization_id or session.organization_id)
    who = standing(user_id, organization_id or session.organization_id)
    sign_in_methods.require(session, who)
    _refuse_overage(session, who.organization)
    if organization_id and str(organization_id) != session.organization_id:
        require_second_factor(session, who)
    if generation == session.generation and not _advance(session, who.organization.id):
        session = _need(user_id, session_id)
        _refuse_reuse(session, generation)
    return issue(session, who)


def switch(user_id: UUID, session_id: str, organization_id: UUID) -> tuple[Tokens, Standing]:
    """Move a session to another organization of its user, as its next generation."""
    session = _need(user_id, session_id)
    sign_in_methods.require_here(session, organization_id)
    who = standing(user_id, organization_id)
    sign_in_methods.require(session, who)
    _refuse_overage(session, who.organization)
    require_second_factor(session, who)
    if not _advance(session, organization_id):
        session = _need(user_id, session_id)
        if not _advance(session, organization_id):
            raise ended()
    return issue(session, who), who


def end(user_id: UUID, session_id: str) -> None:
    """End one session; one that has ended already is no error."""
    pk, sk = SessionRow.at(user_id, session_id)
    SessionRow(pk=pk, sk=sk).delete()


def end_all(user_id: object, *, but: str | None = None) -> None:
    """End every session of a user, but for one."""
    for session in of_user(user_id):
        if but is None or session.sk != SessionRow.at(user_id, but)[1]:
            session.delete()


def of_user(user_id: object) -> list[SessionRow]:
    """The rows of a user's sessions, oldest first."""
    pk, _ = SessionRow.at(user_id, "")
    found = SessionRow.query(pk, SessionRow.sk.startswith(SessionRow.PREFIX), consistent_read=True)
    return [session for session in found if not table.is_expired(session)]


def find(caller: Caller, *, limit: int, cursor: str | None) -> Page[Session]:
    """The caller's open sessions, newest first."""
    pk, _ = SessionRow.at(caller.user_id, "")
    rows, next_cursor = query_page(SessionRow, pk, SessionRow.PREFIX, limit=limit, cursor=cursor)
    return Page(items=[view(row, caller.session_id) for row in rows], next_cursor=next_cursor)


def view(row: SessionRow, current: str | None) -> Session:
    """A session as its user sees it; `current` is the session that asks."""
    session_id = row.sk.removeprefix(SessionRow.PREFIX)
    assert row.created_at and row.ttl
    return Session(
        id=UUID(session_id),
        organization_id=UUID(row.organization_id),
        created_at=datetime.fromisoformat(row.created_at),
        last_used_at=datetime.fromtimestamp(row.rotated_at, UTC),
        expires_at=datetime.fromtimestamp(row.ttl, UTC),
        ip=row.ip,
        user_agent=row.user_agent,
        mfa=bool(row.mfa),
        current=session_id == current,
    )


def end_one(caller: Caller, session_id: UUID) -> None:
    """End one of the caller's sessions."""
    table.need(SessionRow, SessionRow.at(caller.user_id, session_id), "session").delete()


def require_open(caller: Caller) -> SessionRow:
    """The caller's session; raises Unauthenticated when it has ended since its access token was made."""
    return _need(caller.user_id, caller.session_id)


def _need(user_id: UUID, session_id: object) -> SessionRow:
    session = table.get(SessionRow, SessionRow.at(user_id, session_id))
    if session is None:
        raise ended()
    return session


def _refuse_reuse(session: SessionRow, generation: int) -> None:
    late = clock.now().timestamp() - session.rotated_at > GRACE_SECONDS
    if generation == session.generation or (generation == session.generation - 1 and not late):
        return
    session.delete()
    logger.warning("refresh token reused, session ended", security=True, user_id=session.user_id)
    raise Unauthenticated("This refresh token was used before; sign in again", code="refresh_token_reused")


def _refuse_overage(session: SessionRow, organization: Organization) -> None:
    security = organization.custom_settings.security
    if security and security.session_timeout and _age(session) > security.session_timeout * 60:
        raise Unauthenticated(
            "The organization's session timeout has passed; sign in again", code="session_expired"
        )


def _advance(session: SessionRow, organization_id: UUID) -> bool:
    """Make the session's next generation; False when another request did, or the session ended."""
    ends = clock.epoch() + min(IDLE_SECONDS, TOTAL_SECONDS - int(_age(session)))
    values = {
        "generation": session.generation + 1,
        "rotated_at": clock.now().timestamp(),
        "organization_id": str(organization_id),
        "ttl": ends,
    }
    return table.touch(session, put=values, condition=SessionRow.generation == session.generation)


def _age(session: Row) -> float:
    assert session.created_at
    return clock.now().timestamp() - datetime.fromisoformat(session.created_at).timestamp()


def ended() -> Unauthenticated:
    return Unauthenticated("The session has ended; sign in again", code="session_ended")
