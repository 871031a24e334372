"""POST /v1/api-keys"""

from weconnect.api.resolver import app, handler
from weconnect.auth.api_keys import api_keys
from weconnect.auth.parameters import AnyPerson
from weconnect.auth.schemas import CreatedApiKey, NewApiKey

__all__ = ["handler"]


@app.post(
    "/v1/api-keys",
    status_code=201,
    returns_secret=True,
    replays=True,
    location="/v1/api-keys/{id}",
    tags=["API keys"],
)
def create_api_key(body: NewApiKey, caller: AnyPerson) -> CreatedApiKey:
    """Create an API key in the current organization.

    The response shows the key once, as `key`.
    """
    return api_keys.create(caller, body)
