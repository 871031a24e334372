"""GET /v1/organizations/{organizationId}/members/{userId}"""

from weconnect.api.caller import SignedIn
from weconnect.api.resolver import app, handler
from weconnect.organizations.entities import Member
from weconnect.organizations.members import members
from weconnect.organizations.parameters import OrganizationId, UserId

__all__ = ["handler"]


@app.get("/v1/organizations/<organizationId>/members/<userId>", tags=["Members"])
def get_member(organization_id: OrganizationId, user_id: UserId, caller: SignedIn) -> Member:
    """Get a member with their effective permissions."""
    return members.get(caller, organization_id, user_id)
