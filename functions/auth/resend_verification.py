"""POST /v1/auth/resend-verification"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler, no_content
from weconnect.auth.account.schemas import MailRequest
from weconnect.auth.login import email_verification
from weconnect.auth.parameters import Requester

__all__ = ["handler"]


@app.post("/v1/auth/resend-verification", public=True, status_code=204, tags=["Authentication"])
def resend_verification(body: MailRequest, request: Requester) -> Response[None]:
    """Send the verification mail again; the answer is always the same."""
    email_verification.resend(body, request)
    return no_content()
