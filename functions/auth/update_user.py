"""PATCH /v1/users/{userId}"""

from weconnect.api.resolver import IfMatch, app, handler
from weconnect.auth.account import users
from weconnect.auth.account.schemas import UserAdministration
from weconnect.auth.entities import PublicUser
from weconnect.auth.parameters import Operator
from weconnect.organizations.parameters import UserId

__all__ = ["handler"]


@app.patch("/v1/users/<userId>", tags=["Users"])
def update_user(
    user_id: UserId, body: UserAdministration, caller: Operator, if_match: IfMatch = None
) -> PublicUser:
    """Change a user's role or activity; deactivating ends their sessions and keys."""
    return users.update(caller, user_id, body, if_match)
