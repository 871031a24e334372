"""GET /v1/api-keys"""

from weconnect.api.pagination import Cursor, Limit, Page
from weconnect.api.resolver import app, handler
from weconnect.auth.api_keys import api_keys
from weconnect.auth.parameters import AnyPerson, ApiKeyActiveFilter, ExpiringBefore, UserFilter
from weconnect.identity.entities import ApiKey

__all__ = ["handler"]


@app.get("/v1/api-keys", tags=["API keys"])
def list_api_keys(
    caller: AnyPerson,
    user_id: UserFilter = None,
    is_active: ApiKeyActiveFilter = None,
    expiring_before: ExpiringBefore = None,
    limit: Limit = 25,
    cursor: Cursor = None,
) -> Page[ApiKey]:
    """List API keys in the current organization.

    Those of the caller, or with `expiringBefore` those of all members that expire soon.
    """
    return api_keys.find(
        caller, user_id, is_active=is_active, expiring_before=expiring_before, limit=limit, cursor=cursor
    )
