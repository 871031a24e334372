"""POST /v1/auth/mfa/disable"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content
from weconnect.auth.login import mfa
from weconnect.auth.parameters import Person
from weconnect.auth.schemas import MfaDisabling

__all__ = ["handler"]


@app.post("/v1/auth/mfa/disable", status_code=204, self_service=True, tags=["Authentication"])
def disable_mfa(body: MfaDisabling, caller: Person) -> Response[None]:
    """Disable multi-factor authentication.

    Requires the password and a code.
    """
    mfa.disable(caller, body)
    return no_content()
