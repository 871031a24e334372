"""POST /v1/auth/change-password"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler, no_content
from weconnect.auth.account.schemas import PasswordChange
from weconnect.auth.login import password_changes
from weconnect.auth.parameters import Person

__all__ = ["handler"]


@app.post("/v1/auth/change-password", status_code=204, own=True, tags=["Authentication"])
def change_password(body: PasswordChange, caller: Person) -> Response[None]:
    """Set a new password with the old one; ends the caller's other sessions."""
    password_changes.change(caller, body)
    return no_content()
