"""POST /v1/auth/logout"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content
from weconnect.auth.parameters import AnyPerson
from weconnect.auth.schemas import Logout
from weconnect.auth.sessions import sessions

__all__ = ["handler"]


@app.post("/v1/auth/logout", status_code=204, self_service=True, tags=["Authentication"])
def logout(caller: AnyPerson, body: Logout | None = None) -> Response[None]:
    """End the current session.

    With `everywhere` it ends all sessions of the caller.
    """
    sessions.log_out(caller, body)
    return no_content()
