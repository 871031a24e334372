"""POST /v1/invitations/accept"""

from weconnect.api.resolver import app, handler
from weconnect.auth.parameters import Person
from weconnect.organizations.entities import OrganizationSummary
from weconnect.organizations.invitations import acceptance
from weconnect.organizations.schemas import InvitationToken

__all__ = ["handler"]


@app.post("/v1/invitations/accept", self_service=True, replays=True, tags=["Invitations"])
def accept_invitation(body: InvitationToken, caller: Person) -> OrganizationSummary:
    """Accept an invitation with the token from the e-mail.

    It also verifies the caller's e-mail address.
    """
    return acceptance.accept(caller, body)
