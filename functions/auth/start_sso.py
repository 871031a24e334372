"""POST /v1/auth/sso/start"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler
from weconnect.auth.parameters import Requester, respond_with_cookie
from weconnect.auth.sso import sign_in
from weconnect.auth.sso.schemas import SsoStart, SsoStarted

__all__ = ["handler"]


@app.post("/v1/auth/sso/start", public=True, tags=["Single sign-on"])
def start_sso(body: SsoStart, request: Requester) -> Response[SsoStarted]:
    """Start single sign-on.

    Finds the organization by slug or e-mail address and returns the URL of its identity provider. The same browser must
    come back, because the response sets a cookie.
    """
    return respond_with_cookie(sign_in.start(body, request))
