"""GET /v1/api-keys/{apiKeyId}"""

from weconnect.api.resolver import app, handler
from weconnect.auth.api_keys import api_keys
from weconnect.auth.parameters import AnyPerson, ApiKeyId, UserFilter
from weconnect.identity.entities import ApiKey

__all__ = ["handler"]


@app.get("/v1/api-keys/<apiKeyId>", tags=["API keys"])
def get_api_key(api_key_id: ApiKeyId, caller: AnyPerson, user_id: UserFilter = None) -> ApiKey:
    """Get an API key.

    The text of the key is never returned.
    """
    return api_keys.get(caller, api_key_id, user_id)
