"""Sessions: signing in, renewing the tokens, ending.

Each refresh moves the session to its next generation. The generation before gets the same successor for ten
seconds, because two tabs refresh at once; an older one means that a token was copied, and ends the session.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from weconnect import clock, ids, table
from weconnect.auth import tokens
from weconnect.auth.entities import Tokens, User
from weconnect.auth.rows import SessionRow, UserRow
from weconnect.auth.tokens import Access
from weconnect.caller import RequestInfo
from weconnect.errors import Forbidden, Unauthenticated
from weconnect.log import logger
from weconnect.organizations import permissions
from weconnect.organizations.entities import Organization, OrganizationMember
from weconnect.organizations.rows import MemberRow, OrganizationRow
from weconnect.table import Row

IDLE_SECONDS = 30 * 86_400
TOTAL_SECONDS = 90 * 86_400
GRACE_SECONDS = 10


@dataclass(frozen=True)
class Standing:
    """A user in one organization, allowed to act there."""

    user: User
    member: OrganizationMember
    organization: Organization

    def permissions(self) -> frozenset[str]:
        """What the user may do here."""
        return permissions.within_user_role(self.member.effective_words(), self.user.role)


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
    return Standing(user, member, organization)


def new_row(user_id: UUID, organization_id: UUID, request: RequestInfo) -> SessionRow:
    """A session that begins now, to be stored by the caller."""
    pk, sk = SessionRow.at(user_id, ids.new_id())
    return SessionRow(
        pk=pk,
        sk=sk,
        user_id=str(user_id),
        organization_id=str(organization_id),
        generation=1,
        rotated_at=clock.now().timestamp(),
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
        mfa=bool(session.mfa),
        operator=is_operator(who.user),
    )
    return Tokens(
        access_token=tokens.sign_access(access),
        refresh_token=tokens.sign_refresh(who.user.id, UUID(session_id), int(session.generation)),
        expires_in=tokens.ACCESS_SECONDS,
    )


def is_operator(user: User) -> bool:
    """Whether the user operates the deployment: role admin, at an address that was verified."""
    return user.role == "admin" and user.email_verified


def refresh(refresh_token: str, organization_id: UUID | None) -> Tokens:
    """Exchange a refresh token for the next generation's tokens, for `organization_id` if one is named."""
    user_id, session_id, generation = tokens.read_refresh(refresh_token)
    session = _need(user_id, session_id)
    _refuse_reuse(session, generation)
    who = standing(user_id, organization_id or session.organization_id)
    _refuse_overage(session, who.organization)
    if generation == session.generation and not _advance(session, who.organization.id):
        session = _need(user_id, session_id)
        _refuse_reuse(session, generation)
    return issue(session, who)


def switch(user_id: UUID, session_id: str, organization_id: UUID) -> tuple[Tokens, Standing]:
    """Move a session to another organization of its user, as its next generation."""
    session = _need(user_id, session_id)
    who = standing(user_id, organization_id)
    _refuse_overage(session, who.organization)
    if not _advance(session, organization_id):
        session = _need(user_id, session_id)
        if not _advance(session, organization_id):
            raise _ended()
    return issue(session, who), who


def end(user_id: UUID, session_id: str) -> None:
    """End one session; one that has ended already is no error."""
    pk, sk = SessionRow.at(user_id, session_id)
    SessionRow(pk=pk, sk=sk).delete()


def end_all(user_id: UUID) -> None:
    """End every session of a user."""
    pk, _ = SessionRow.at(user_id, "")
    for session in SessionRow.query(pk, SessionRow.sk.startswith(SessionRow.PREFIX), consistent_read=True):
        session.delete()


def _need(user_id: UUID, session_id: object) -> SessionRow:
    session = table.get(SessionRow, SessionRow.at(user_id, session_id))
    if session is None:
        raise _ended()
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


def _ended() -> Unauthenticated:
    return Unauthenticated("The session has ended; sign in again", code="session_ended")
