"""POST /v1/auth/forgot-password"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content
from weconnect.auth.login import password_changes
from weconnect.auth.parameters import Requester
from weconnect.auth.schemas import MailRequest

__all__ = ["handler"]


@app.post("/v1/auth/forgot-password", public=True, status_code=204, tags=["Authentication"])
def forgot_password(body: MailRequest, request: Requester) -> Response[None]:
    """Send a password reset token by e-mail.

    The response is always the same, whether or not the address has an account.
    """
    password_changes.send_reset_token(body, request)
    return no_content()
