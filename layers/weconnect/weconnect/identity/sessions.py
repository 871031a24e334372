"""The open sessions of a user, to be listed and ended."""

from weconnect.db import table
from weconnect.identity.rows import SessionRow


def open_sessions(user_id: object) -> list[SessionRow]:
    """Return the rows of a user's sessions that have not expired, oldest first."""
    pk, _ = SessionRow.at(user_id, "")
    rows = SessionRow.query(pk, SessionRow.sk.startswith(SessionRow.PREFIX), consistent_read=True)
    return [row for row in rows if not table.is_expired(row)]


def end_sessions(user_id: object, *, except_session_id: str | None = None) -> None:
    """End every session of a user, except for one. Their access tokens read until they expire (15 minutes)."""
    for session in open_sessions(user_id):
        if session.id != except_session_id:
            session.delete()


def end_sessions_in(organization_id: object, user_id: object) -> None:
    """End a user's sessions in one organization. Their access tokens read until they expire (15 minutes)."""
    for session in open_sessions(user_id):
        if session.organization_id == str(organization_id):
            session.delete()
