"""POST /v1/auth/register"""

from weconnect.api.resolver import app, handler
from weconnect.auth.login import registration
from weconnect.auth.parameters import Requester
from weconnect.auth.schemas import NewUser, Registration

__all__ = ["handler"]


@app.post("/v1/auth/register", public=True, status_code=201, tags=["Authentication"])
def register(body: NewUser, request: Requester) -> Registration:
    """Register a user.

    Creates the user and a personal organization, sends a verification e-mail, and signs in.
    """
    return registration.register(body, request)
