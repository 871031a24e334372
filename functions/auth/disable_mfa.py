"""POST /v1/auth/mfa/disable"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler, no_content
from weconnect.auth.account.schemas import MfaDisabling
from weconnect.auth.login import mfa
from weconnect.auth.parameters import Person

__all__ = ["handler"]


@app.post("/v1/auth/mfa/disable", status_code=204, own=True, tags=["Authentication"])
def disable_mfa(body: MfaDisabling, caller: Person) -> Response[None]:
    """Turn the second factor off with password and code."""
    mfa.disable(caller, body)
    return no_content()
