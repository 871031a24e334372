"""POST /v1/invitations/accept"""

from weconnect.api.resolver import app, handler
from weconnect.auth.parameters import Person
from weconnect.organizations.entities import OrganizationSummary
from weconnect.organizations.invitations import answers
from weconnect.organizations.schemas import InvitationToken

__all__ = ["handler"]


@app.post("/v1/invitations/accept", own=True, tags=["Invitations"])
def accept_invitation(body: InvitationToken, caller: Person) -> OrganizationSummary:
    """Join with the token from the mail, which also verifies the caller's address."""
    return answers.accept(caller, body)
