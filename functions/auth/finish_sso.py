"""GET /v1/auth/sso/callback"""

from weconnect.api.resolver import app, handler
from weconnect.auth.entities import Tokens
from weconnect.auth.parameters import Browser, Code, IssuerOfAnswer, ProviderError, Requester, State
from weconnect.auth.sso import sign_in as sso
from weconnect.auth.sso.entities import Returned

__all__ = ["handler"]


@app.get("/v1/auth/sso/callback", public=True, tags=["Single sign-on"])
def finish_sso(
    browser: Browser,
    request: Requester,
    state: State,
    code: Code = None,
    error: ProviderError = None,
    iss: IssuerOfAnswer = None,
) -> Tokens:
    """Where the identity provider sends the person back; answers what a login answers."""
    return sso.finish(Returned(state, code, error, iss, browser), request)
