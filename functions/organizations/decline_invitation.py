"""POST /v1/invitations/decline"""

from aws_lambda_powertools.event_handler import Response

from weconnect.auth.parameters import Requester
from weconnect.http import app, handler, no_content
from weconnect.organizations import invitation_answers
from weconnect.organizations.forms import InvitationToken

__all__ = ["handler"]


@app.post("/v1/invitations/decline", public=True, status_code=204, tags=["Invitations"])
def decline_invitation(body: InvitationToken, request: Requester) -> Response[None]:
    """Decline with the token from the mail."""
    invitation_answers.decline(body, request)
    return no_content()
