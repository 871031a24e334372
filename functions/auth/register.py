"""POST /v1/auth/register"""

from weconnect.api.resolver import app, handler
from weconnect.auth.entities import NewUser, Registration
from weconnect.auth.login import login as service
from weconnect.auth.parameters import Requester

__all__ = ["handler"]


@app.post("/v1/auth/register", public=True, status_code=201, tags=["Authentication"])
def register(body: NewUser, request: Requester) -> Registration:
    """Make a user and a personal organization, send a verification mail, and sign in."""
    return service.register(body, request)
