"""POST /v1/invitations/decline"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content
from weconnect.auth.parameters import Requester
from weconnect.organizations.invitations import acceptance
from weconnect.organizations.schemas import InvitationToken

__all__ = ["handler"]


@app.post("/v1/invitations/decline", public=True, status_code=204, tags=["Invitations"])
def decline_invitation(body: InvitationToken, request: Requester) -> Response[None]:
    """Decline an invitation with the token from the e-mail."""
    acceptance.decline(body, request)
    return no_content()
