"""GET /v1/auth/sessions"""

from weconnect.auth import sessions
from weconnect.auth.forms import Session
from weconnect.auth.parameters import Person
from weconnect.http import app, handler
from weconnect.pages import Cursor, Limit, Page

__all__ = ["handler"]


@app.get("/v1/auth/sessions", own=True, tags=["Authentication"])
def list_sessions(caller: Person, limit: Limit = 25, cursor: Cursor = None) -> Page[Session]:
    """The caller's open sessions, newest first."""
    return sessions.find(caller, limit=limit, cursor=cursor)
