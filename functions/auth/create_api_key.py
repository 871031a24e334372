"""POST /v1/api-keys"""

from weconnect.auth import api_keys
from weconnect.auth.entities import CreatedApiKey, NewApiKey
from weconnect.auth.parameters import AnyPerson
from weconnect.http import app, handler

__all__ = ["handler"]


@app.post("/v1/api-keys", status_code=201, secret=True, tags=["API keys"])
def create_api_key(body: NewApiKey, caller: AnyPerson) -> CreatedApiKey:
    """Make a key in this organization; its text is shown once, as `key`."""
    return api_keys.create(caller, body)
