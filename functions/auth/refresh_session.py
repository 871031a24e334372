"""POST /v1/auth/refresh"""

from weconnect.api.resolver import app, handler
from weconnect.auth.schemas import Refresh, Tokens
from weconnect.auth.sessions import sessions

__all__ = ["handler"]


@app.post("/v1/auth/refresh", public=True, tags=["Authentication"])
def refresh_session(body: Refresh) -> Tokens:
    """Exchange a refresh token for new tokens."""
    return sessions.refresh_tokens(body.refresh_token, body.organization_id)
