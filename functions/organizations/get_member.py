"""GET /v1/organizations/{organizationId}/members/{userId}"""

from weconnect.api.caller import SignedIn
from weconnect.api.resolver import app, handler
from weconnect.organizations import service
from weconnect.organizations.entities import MemberView
from weconnect.organizations.parameters import OrganizationId, UserId

__all__ = ["handler"]


@app.get("/v1/organizations/<organizationId>/members/<userId>", tags=["Members"])
def get_member(organization_id: OrganizationId, user_id: UserId, caller: SignedIn) -> MemberView:
    """One member with the permissions that result."""
    return service.member(caller, organization_id, user_id)
