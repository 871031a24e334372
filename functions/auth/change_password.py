"""POST /v1/auth/change-password"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content
from weconnect.auth.login import password_changes
from weconnect.auth.parameters import Person
from weconnect.auth.schemas import PasswordChange

__all__ = ["handler"]


@app.post("/v1/auth/change-password", status_code=204, self_service=True, tags=["Authentication"])
def change_password(body: PasswordChange, caller: Person) -> Response[None]:
    """Change the caller's password.

    Requires the present password, and ends the caller's other sessions.
    """
    password_changes.change_password(caller, body)
    return no_content()
