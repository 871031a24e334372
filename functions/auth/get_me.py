"""GET /v1/users/me"""

from weconnect.auth import profile
from weconnect.auth.entities import PublicUser
from weconnect.caller import SignedIn
from weconnect.http import app, handler

__all__ = ["handler"]


@app.get("/v1/users/me", own=True, tags=["Users"])
def get_me(caller: SignedIn) -> PublicUser:
    """The caller."""
    return profile.get(caller)
