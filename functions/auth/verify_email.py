"""POST /v1/auth/verify-email"""

from weconnect.api.resolver import app, handler
from weconnect.auth.login import email_verification
from weconnect.auth.parameters import Requester
from weconnect.auth.schemas import EmailVerification
from weconnect.identity.entities import User

__all__ = ["handler"]


@app.post("/v1/auth/verify-email", public=True, tags=["Authentication"])
def verify_email(body: EmailVerification, request: Requester) -> User:
    """Verify an e-mail address with the token from the e-mail."""
    return email_verification.verify_email(body, request)
