"""GET /v1/api-keys"""

from weconnect.api.pagination import Cursor, Limit, Page
from weconnect.api.resolver import app, handler
from weconnect.auth.api_keys import api_keys
from weconnect.auth.entities import PublicApiKey
from weconnect.auth.parameters import AnyPerson, ExpiringBefore, IsActive, OfUser

__all__ = ["handler"]


@app.get("/v1/api-keys", tags=["API keys"])
def list_api_keys(
    caller: AnyPerson,
    user_id: OfUser = None,
    is_active: IsActive = None,
    expiring_before: ExpiringBefore = None,
    limit: Limit = 25,
    cursor: Cursor = None,
) -> Page[PublicApiKey]:
    """The caller's keys in this organization, or all members' that end soon."""
    return api_keys.find(
        caller, user_id, is_active=is_active, expiring_before=expiring_before, limit=limit, cursor=cursor
    )
