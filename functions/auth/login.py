"""POST /v1/auth/login"""

from weconnect.auth import service
from weconnect.auth.entities import Login, Tokens
from weconnect.auth.parameters import Requester
from weconnect.http import app, handler

__all__ = ["handler"]


@app.post("/v1/auth/login", public=True, tags=["Authentication"])
def login(body: Login, request: Requester) -> Tokens:
    """Sign in with an e-mail address and a password."""
    return service.login(body, request)
