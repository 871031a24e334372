"""POST /v1/auth/mfa/confirm"""

from aws_lambda_powertools.event_handler import Response

from weconnect.auth import mfa
from weconnect.auth.forms import MfaConfirmation
from weconnect.auth.parameters import Person
from weconnect.http import app, handler, no_content

__all__ = ["handler"]


@app.post("/v1/auth/mfa/confirm", status_code=204, own=True, tags=["Authentication"])
def confirm_mfa(body: MfaConfirmation, caller: Person) -> Response[None]:
    """Turn the second factor on with a first code."""
    mfa.confirm(caller, body)
    return no_content()
