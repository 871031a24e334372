"""POST /v1/auth/login"""

from weconnect.api.resolver import app, handler
from weconnect.auth.entities import Login, Tokens
from weconnect.auth.login import login as service
from weconnect.auth.parameters import Requester

__all__ = ["handler"]


@app.post("/v1/auth/login", public=True, tags=["Authentication"])
def login(body: Login, request: Requester) -> Tokens:
    """Sign in with an e-mail address and a password."""
    return service.login(body, request)
