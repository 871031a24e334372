"""DELETE /v1/users/me"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content
from weconnect.auth.account import own_account
from weconnect.auth.parameters import Person

__all__ = ["handler"]


@app.delete("/v1/users/me", status_code=204, tags=["Users"])
def delete_me(caller: Person) -> Response[None]:
    """Delete the caller's account.

    Deletes also the organizations of which the caller is the only member.
    """
    own_account.delete(caller)
    return no_content()
