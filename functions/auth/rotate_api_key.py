"""POST /v1/api-keys/{apiKeyId}/rotate"""

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.auth.api_keys import api_keys
from weconnect.auth.parameters import AnyPerson, ApiKeyId
from weconnect.auth.schemas import ApiKeyRotation, CreatedApiKey

__all__ = ["handler"]


@app.post(
    "/v1/api-keys/<apiKeyId>/rotate",
    status_code=201,
    returns_secret=True,
    replays=True,
    location="/v1/api-keys/{id}",
    tags=["API keys"],
)
def rotate_api_key(
    api_key_id: ApiKeyId, caller: AnyPerson, body: ApiKeyRotation | None = None, if_match: IfMatch = None
) -> CreatedApiKey:
    """Rotate an API key.

    The response shows the new key once. The old one stays valid for the overlap.
    """
    return api_keys.rotate(caller, api_key_id, body, if_match)
