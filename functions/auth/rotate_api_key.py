"""POST /v1/api-keys/{apiKeyId}/rotate"""

from weconnect.api.resolver import IfMatch, app, handler
from weconnect.auth.api_keys import api_keys
from weconnect.auth.entities import ApiKeyRotation, CreatedApiKey
from weconnect.auth.parameters import AnyPerson, ApiKeyId

__all__ = ["handler"]


@app.post("/v1/api-keys/<apiKeyId>/rotate", status_code=201, secret=True, tags=["API keys"])
def rotate_api_key(
    api_key_id: ApiKeyId, caller: AnyPerson, body: ApiKeyRotation | None = None, if_match: IfMatch = None
) -> CreatedApiKey:
    """Make a key's successor, whose text is shown once; the old one lives on for the overlap."""
    return api_keys.rotate(caller, api_key_id, body, if_match)
