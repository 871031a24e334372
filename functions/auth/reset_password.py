"""POST /v1/auth/reset-password"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler, no_content
from weconnect.auth.account.schemas import PasswordReset
from weconnect.auth.login import password_changes
from weconnect.auth.parameters import Requester

__all__ = ["handler"]


@app.post("/v1/auth/reset-password", public=True, status_code=204, tags=["Authentication"])
def reset_password(body: PasswordReset, request: Requester) -> Response[None]:
    """Set a new password with the token from the mail; ends all sessions."""
    password_changes.reset(body, request)
    return no_content()
