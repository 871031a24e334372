"""PATCH /v1/users/me"""

from weconnect.api.resolver import IfMatch, app, handler
from weconnect.auth.account import profile
from weconnect.auth.account.schemas import UserChanges
from weconnect.auth.entities import PublicUser
from weconnect.auth.parameters import Person

__all__ = ["handler"]


@app.patch("/v1/users/me", own=True, tags=["Users"])
def update_me(body: UserChanges, caller: Person, if_match: IfMatch = None) -> PublicUser:
    """Change name, avatar, preferences; a new address is verified first."""
    return profile.update(caller, body, if_match)
