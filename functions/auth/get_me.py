"""GET /v1/users/me"""

from weconnect.api.caller import SignedIn
from weconnect.api.resolver import app, handler
from weconnect.auth.account import profile
from weconnect.identity.entities import User

__all__ = ["handler"]


@app.get("/v1/users/me", self_service=True, tags=["Users"])
def get_me(caller: SignedIn) -> User:
    """Get the caller's account."""
    return profile.get(caller)
