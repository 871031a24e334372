"""POST /v1/auth/register"""

from weconnect.auth import service
from weconnect.auth.entities import NewUser, Registration
from weconnect.auth.parameters import Requester
from weconnect.http import app, handler

__all__ = ["handler"]


@app.post("/v1/auth/register", public=True, status_code=201, tags=["Authentication"])
def register(body: NewUser, request: Requester) -> Registration:
    """Make a user and a personal organization, send a verification mail, and sign in."""
    return service.register(body, request)
