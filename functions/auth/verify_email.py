"""POST /v1/auth/verify-email"""

from weconnect.api.resolver import app, handler
from weconnect.auth.entities import EmailVerification, PublicUser
from weconnect.auth.login import email_verification
from weconnect.auth.parameters import Requester

__all__ = ["handler"]


@app.post("/v1/auth/verify-email", public=True, tags=["Authentication"])
def verify_email(body: EmailVerification, request: Requester) -> PublicUser:
    """Confirm an address with the token from the mail."""
    return email_verification.verify(body, request)
