"""POST /v1/auth/verify-email"""

from weconnect.auth import verification
from weconnect.auth.entities import EmailVerification, PublicUser
from weconnect.auth.parameters import Requester
from weconnect.http import app, handler

__all__ = ["handler"]


@app.post("/v1/auth/verify-email", public=True, tags=["Authentication"])
def verify_email(body: EmailVerification, request: Requester) -> PublicUser:
    """Confirm an address with the token from the mail."""
    return verification.verify(body, request)
