"""GET /v1/users/{userId}"""

from weconnect.api.resolver import app, handler
from weconnect.auth.account import users
from weconnect.auth.parameters import Operator
from weconnect.identity.entities import User
from weconnect.organizations.parameters import UserId

__all__ = ["handler"]


@app.get("/v1/users/<userId>", tags=["Users"])
def get_user(user_id: UserId, caller: Operator) -> User:
    """Get a user of the deployment."""
    return users.get(user_id)
