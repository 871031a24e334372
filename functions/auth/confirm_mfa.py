"""POST /v1/auth/mfa/confirm"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler, no_content
from weconnect.auth.account.schemas import MfaConfirmation
from weconnect.auth.login import mfa
from weconnect.auth.parameters import Person

__all__ = ["handler"]


@app.post("/v1/auth/mfa/confirm", status_code=204, own=True, tags=["Authentication"])
def confirm_mfa(body: MfaConfirmation, caller: Person) -> Response[None]:
    """Turn the second factor on with a first code."""
    mfa.confirm(caller, body)
    return no_content()
