"""DELETE /v1/api-keys/{apiKeyId}"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content
from weconnect.auth.api_keys import api_keys
from weconnect.auth.parameters import AnyPerson, ApiKeyId, UserFilter

__all__ = ["handler"]


@app.delete("/v1/api-keys/<apiKeyId>", status_code=204, tags=["API keys"])
def delete_api_key(
    api_key_id: ApiKeyId, caller: AnyPerson, user_id: UserFilter = None, if_match: IfMatch = None
) -> Response[None]:
    """Revoke an API key at once."""
    api_keys.revoke(caller, api_key_id, user_id, if_match)
    return no_content()
