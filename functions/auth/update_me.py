"""PATCH /v1/users/me"""

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.auth.account import profile
from weconnect.auth.parameters import Person
from weconnect.auth.schemas import UserChanges
from weconnect.identity.entities import User

__all__ = ["handler"]


@app.patch("/v1/users/me", self_service=True, tags=["Users"])
def update_me(body: UserChanges, caller: Person, if_match: IfMatch = None) -> User:
    """Update the caller's account.

    A new e-mail address takes effect once it is verified.
    """
    return profile.update(caller, body, if_match)
