"""PATCH /v1/users/me"""

from weconnect.auth import profile
from weconnect.auth.entities import PublicUser
from weconnect.auth.forms import UserChanges
from weconnect.auth.parameters import Person
from weconnect.http import IfMatch, app, handler

__all__ = ["handler"]


@app.patch("/v1/users/me", own=True, tags=["Users"])
def update_me(body: UserChanges, caller: Person, if_match: IfMatch = None) -> PublicUser:
    """Change name, avatar, preferences; a new address is verified first."""
    return profile.update(caller, body, if_match)
