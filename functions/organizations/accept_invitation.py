"""POST /v1/invitations/accept"""

from weconnect.auth.parameters import Person
from weconnect.http import app, handler
from weconnect.organizations import invitation_answers
from weconnect.organizations.entities import OrganizationSummary
from weconnect.organizations.forms import InvitationToken

__all__ = ["handler"]


@app.post("/v1/invitations/accept", own=True, tags=["Invitations"])
def accept_invitation(body: InvitationToken, caller: Person) -> OrganizationSummary:
    """Join with the token from the mail, which also verifies the caller's address."""
    return invitation_answers.accept(caller, body)
