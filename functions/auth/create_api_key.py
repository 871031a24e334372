"""POST /v1/api-keys"""

from weconnect.api.resolver import app, handler
from weconnect.auth.api_keys import api_keys
from weconnect.auth.entities import CreatedApiKey, NewApiKey
from weconnect.auth.parameters import AnyPerson

__all__ = ["handler"]


@app.post("/v1/api-keys", status_code=201, secret=True, tags=["API keys"])
def create_api_key(body: NewApiKey, caller: AnyPerson) -> CreatedApiKey:
    """Make a key in this organization; its text is shown once, as `key`."""
    return api_keys.create(caller, body)
