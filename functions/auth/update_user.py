"""PATCH /v1/users/{userId}"""

from weconnect.auth import users
from weconnect.auth.entities import PublicUser
from weconnect.auth.forms import UserAdministration
from weconnect.auth.parameters import Operator
from weconnect.http import IfMatch, app, handler
from weconnect.organizations.parameters import UserId

__all__ = ["handler"]


@app.patch("/v1/users/<userId>", tags=["Users"])
def update_user(
    user_id: UserId, body: UserAdministration, caller: Operator, if_match: IfMatch = None
) -> PublicUser:
    """Change a user's role or activity; deactivating ends their sessions and keys."""
    return users.update(caller, user_id, body, if_match)
