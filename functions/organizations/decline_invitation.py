"""POST /v1/invitations/decline"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler, no_content
from weconnect.auth.parameters import Requester
from weconnect.organizations.invitations import answers
from weconnect.organizations.schemas import InvitationToken

__all__ = ["handler"]


@app.post("/v1/invitations/decline", public=True, status_code=204, tags=["Invitations"])
def decline_invitation(body: InvitationToken, request: Requester) -> Response[None]:
    """Decline with the token from the mail."""
    answers.decline(body, request)
    return no_content()
