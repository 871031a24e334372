"""GET /v1/auth/sso/callback"""

from weconnect.api.resolver import app, handler
from weconnect.auth.parameters import BrowserSecret, CallbackIssuer, Code, ProviderError, Requester, State
from weconnect.auth.schemas import Tokens
from weconnect.auth.sso import sign_in
from weconnect.auth.sso.schemas import ProviderCallback

__all__ = ["handler"]


@app.get("/v1/auth/sso/callback", public=True, tags=["Single sign-on"])
def finish_sso(
    browser: BrowserSecret,
    request: Requester,
    state: State,
    code: Code = None,
    error: ProviderError = None,
    iss: CallbackIssuer = None,
) -> Tokens:
    """Complete single sign-on (OIDC redirect target).

    Returns the same as a login.
    """
    return sign_in.finish(ProviderCallback(state, code, error, iss, browser), request)
