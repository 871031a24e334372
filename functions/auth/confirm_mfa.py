"""POST /v1/auth/mfa/confirm"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content
from weconnect.auth.login import mfa
from weconnect.auth.login.confirmation import require_confirmation
from weconnect.auth.parameters import Person
from weconnect.auth.schemas import Confirmation, MfaConfirmation

__all__ = ["handler"]


@app.post("/v1/auth/mfa/confirm", status_code=204, self_service=True, tags=["Authentication"])
def confirm_mfa(body: MfaConfirmation, caller: Person) -> Response[None]:
    """Enable multi-factor authentication.

    Confirms an enrollment with a first code and the password. Without a password, sign in within the last five minutes.
    """
    require_confirmation(caller, Confirmation(password=body.password))
    mfa.confirm(caller, body)
    return no_content()
