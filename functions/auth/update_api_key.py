"""PATCH /v1/api-keys/{apiKeyId}"""

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.auth.api_keys import api_keys
from weconnect.auth.parameters import AnyPerson, ApiKeyId, UserFilter
from weconnect.auth.schemas import ApiKeyChanges
from weconnect.identity.entities import ApiKey

__all__ = ["handler"]


@app.patch("/v1/api-keys/<apiKeyId>", tags=["API keys"])
def update_api_key(
    api_key_id: ApiKeyId,
    body: ApiKeyChanges,
    caller: AnyPerson,
    user_id: UserFilter = None,
    if_match: IfMatch = None,
) -> ApiKey:
    """Update an API key.

    Changes its name, scopes, permissions, limits or expiry, or whether it is active.
    """
    return api_keys.update(caller, api_key_id, user_id, body, if_match)
