"""POST /v1/auth/sso/start"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler
from weconnect.auth.parameters import Requester, in_browser
from weconnect.auth.sso import sign_in as sso
from weconnect.auth.sso.entities import SsoStart, SsoStarted

__all__ = ["handler"]


@app.post("/v1/auth/sso/start", public=True, tags=["Single sign-on"])
def start_sso(body: SsoStart, request: Requester) -> Response[SsoStarted]:
    """The organization's sign-in address, by slug or e-mail; the browser that asked has to come back."""
    return in_browser(sso.start(body, request))
