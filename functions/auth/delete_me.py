"""DELETE /v1/users/me"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content
from weconnect.auth.account import own_account
from weconnect.auth.parameters import Person
from weconnect.auth.schemas import Confirmation

__all__ = ["handler"]


@app.delete("/v1/users/me", status_code=204, beyond_organization=True, tags=["Users"])
def delete_me(caller: Person, body: Confirmation | None = None) -> Response[None]:
    """Delete the caller's account.

    Deletes also the organizations of which the caller is the only member. Needs the password or a second factor's
    code; who has neither signs in again first.
    """
    own_account.delete(caller, body)
    return no_content()
