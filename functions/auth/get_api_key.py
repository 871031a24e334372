"""GET /v1/api-keys/{apiKeyId}"""

from weconnect.auth import api_keys
from weconnect.auth.entities import PublicApiKey
from weconnect.auth.parameters import AnyPerson, ApiKeyId, OfUser
from weconnect.http import app, handler

__all__ = ["handler"]


@app.get("/v1/api-keys/<apiKeyId>", tags=["API keys"])
def get_api_key(api_key_id: ApiKeyId, caller: AnyPerson, user_id: OfUser = None) -> PublicApiKey:
    """One key, without its text."""
    return api_keys.get(caller, api_key_id, user_id)
