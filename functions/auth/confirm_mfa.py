"""POST /v1/auth/mfa/confirm"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content
from weconnect.auth.account import second_factor
from weconnect.auth.parameters import Person
from weconnect.auth.schemas import MfaConfirmation

__all__ = ["handler"]


@app.post("/v1/auth/mfa/confirm", status_code=204, self_service=True, tags=["Authentication"])
def confirm_mfa(body: MfaConfirmation, caller: Person) -> Response[None]:
    """Enable multi-factor authentication.

    Confirms an enrollment with a first code and the password. Without a password, sign in within the last five minutes.
    """
    second_factor.turn_on(caller, body)
    return no_content()
