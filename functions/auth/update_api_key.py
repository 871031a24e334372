"""PATCH /v1/api-keys/{apiKeyId}"""

from weconnect.api.resolver import IfMatch, app, handler
from weconnect.auth.api_keys import api_keys
from weconnect.auth.entities import ApiKeyChanges, PublicApiKey
from weconnect.auth.parameters import AnyPerson, ApiKeyId, OfUser

__all__ = ["handler"]


@app.patch("/v1/api-keys/<apiKeyId>", tags=["API keys"])
def update_api_key(
    api_key_id: ApiKeyId,
    body: ApiKeyChanges,
    caller: AnyPerson,
    user_id: OfUser = None,
    if_match: IfMatch = None,
) -> PublicApiKey:
    """Change a key's name, scopes, permissions, limits, expiry, or whether it is active."""
    return api_keys.update(caller, api_key_id, user_id, body, if_match)
