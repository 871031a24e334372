"""POST /v1/auth/forgot-password"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler, no_content
from weconnect.auth.account.schemas import MailRequest
from weconnect.auth.login import password_changes
from weconnect.auth.parameters import Requester

__all__ = ["handler"]


@app.post("/v1/auth/forgot-password", public=True, status_code=204, tags=["Authentication"])
def forgot_password(body: MailRequest, request: Requester) -> Response[None]:
    """Mail a token that sets a new password; the answer is always the same."""
    password_changes.forgot(body, request)
    return no_content()
