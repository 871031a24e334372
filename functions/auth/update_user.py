"""PATCH /v1/users/{userId}"""

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.auth.account import users
from weconnect.auth.parameters import Operator
from weconnect.auth.schemas import UserAdministration
from weconnect.identity.entities import User
from weconnect.organizations.parameters import UserId

__all__ = ["handler"]


@app.patch("/v1/users/<userId>", tags=["Users"])
def update_user(
    user_id: UserId, body: UserAdministration, caller: Operator, if_match: IfMatch = None
) -> User:
    """Update a user's role or status.

    Deactivating a user ends their sessions and revokes their API keys.
    """
    return users.update(caller, user_id, body, if_match)
