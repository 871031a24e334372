"""GET /v1/users"""

from weconnect.api.pagination import Cursor, Limit, Page
from weconnect.api.resolver import app, handler
from weconnect.auth.account import users
from weconnect.auth.entities import PublicUser
from weconnect.auth.parameters import CurrentOrganizationId, OfEmail, Operator, Role, UserIsActive

__all__ = ["handler"]


@app.get("/v1/users", tags=["Users"])
def list_users(
    caller: Operator,
    role: Role = None,
    is_active: UserIsActive = None,
    organization_id: CurrentOrganizationId = None,
    email: OfEmail = None,
    limit: Limit = 25,
    cursor: Cursor = None,
) -> Page[PublicUser]:
    """Users of the deployment, for its operators."""
    return users.find(
        role=role,
        is_active=is_active,
        organization_id=organization_id,
        email=email,
        limit=limit,
        cursor=cursor,
    )
