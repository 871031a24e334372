"""POST /v1/auth/reset-password"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content
from weconnect.auth.login import password_changes
from weconnect.auth.parameters import Requester
from weconnect.auth.schemas import PasswordReset

__all__ = ["handler"]


@app.post("/v1/auth/reset-password", public=True, status_code=204, tags=["Authentication"])
def reset_password(body: PasswordReset, request: Requester) -> Response[None]:
    """Reset a password with the token from the e-mail.

    Ends all sessions of the user.
    """
    password_changes.reset_password(body, request)
    return no_content()
