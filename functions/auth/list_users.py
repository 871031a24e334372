"""GET /v1/users"""

from weconnect.api.pagination import Cursor, Limit, Page
from weconnect.api.resolver import app, handler
from weconnect.auth.account import users
from weconnect.auth.parameters import (
    CurrentOrganizationId,
    EmailFilter,
    Operator,
    RoleFilter,
    UserActiveFilter,
)
from weconnect.identity.entities import User

__all__ = ["handler"]


@app.get("/v1/users", tags=["Users"])
def list_users(
    caller: Operator,
    role: RoleFilter = None,
    is_active: UserActiveFilter = None,
    organization_id: CurrentOrganizationId = None,
    email: EmailFilter = None,
    limit: Limit = 25,
    cursor: Cursor = None,
) -> Page[User]:
    """List the users of the deployment."""
    return users.find(
        role=role,
        is_active=is_active,
        organization_id=organization_id,
        email=email,
        limit=limit,
        cursor=cursor,
    )
