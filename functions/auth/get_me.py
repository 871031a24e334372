"""GET /v1/users/me"""

from weconnect.api.caller import SignedIn
from weconnect.api.resolver import app, handler
from weconnect.auth.account import profile
from weconnect.auth.entities import PublicUser

__all__ = ["handler"]


@app.get("/v1/users/me", own=True, tags=["Users"])
def get_me(caller: SignedIn) -> PublicUser:
    """The caller."""
    return profile.get(caller)
