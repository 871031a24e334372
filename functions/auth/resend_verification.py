"""POST /v1/auth/resend-verification"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content
from weconnect.auth.login import email_verification
from weconnect.auth.parameters import Requester
from weconnect.auth.schemas import MailRequest

__all__ = ["handler"]


@app.post("/v1/auth/resend-verification", public=True, status_code=204, tags=["Authentication"])
def resend_verification(body: MailRequest, request: Requester) -> Response[None]:
    """Resend the verification e-mail.

    The response is always the same, whether or not the address has an account.
    """
    email_verification.resend_verification(body, request)
    return no_content()
