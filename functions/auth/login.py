"""POST /v1/auth/login"""

from weconnect.api.resolver import app, handler
from weconnect.auth.login import password_login
from weconnect.auth.parameters import Requester
from weconnect.auth.schemas import Login, Tokens

__all__ = ["handler"]


@app.post("/v1/auth/login", public=True, tags=["Authentication"])
def login(body: Login, request: Requester) -> Tokens:
    """Sign in with e-mail address and password."""
    return password_login.log_in(body, request)
