"""POST /v1/auth/logout"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler, no_content
from weconnect.auth.entities import Logout
from weconnect.auth.login import login as service
from weconnect.auth.parameters import AnyPerson

__all__ = ["handler"]


@app.post("/v1/auth/logout", status_code=204, own=True, tags=["Authentication"])
def logout(caller: AnyPerson, body: Logout | None = None) -> Response[None]:
    """End this session, or all of the caller's with `everywhere`."""
    service.logout(caller, body)
    return no_content()
