"""POST /v1/auth/refresh"""

from weconnect.api.resolver import app, handler
from weconnect.auth.entities import Refresh, Tokens
from weconnect.auth.login import login as service

__all__ = ["handler"]


@app.post("/v1/auth/refresh", public=True, tags=["Authentication"])
def refresh_session(body: Refresh) -> Tokens:
    """Exchange a refresh token for a new pair."""
    return service.refresh(body)
