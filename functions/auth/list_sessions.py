"""GET /v1/auth/sessions"""

from weconnect.api.pagination import Cursor, Limit, Page
from weconnect.api.resolver import app, handler
from weconnect.auth.parameters import Person
from weconnect.auth.schemas import Session
from weconnect.auth.sessions import sessions

__all__ = ["handler"]


@app.get("/v1/auth/sessions", self_service=True, tags=["Authentication"])
def list_sessions(caller: Person, limit: Limit = 25, cursor: Cursor = None) -> Page[Session]:
    """List the caller's open sessions, newest first."""
    return sessions.find(caller, limit=limit, cursor=cursor)
