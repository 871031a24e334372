"""DELETE /v1/users/me"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler, no_content
from weconnect.auth.account import account as accounts
from weconnect.auth.parameters import Person

__all__ = ["handler"]


@app.delete("/v1/users/me", status_code=204, tags=["Users"])
def delete_me(caller: Person) -> Response[None]:
    """Delete the account, with the organizations that are the caller's alone."""
    accounts.delete(caller)
    return no_content()
