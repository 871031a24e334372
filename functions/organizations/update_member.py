"""PATCH /v1/organizations/{organizationId}/members/{userId}"""

from weconnect.api.resolver import IfMatch, app, handler
from weconnect.organizations.entities import MemberView
from weconnect.organizations.members import members
from weconnect.organizations.parameters import OrganizationId, OrganizationManage, UserId
from weconnect.organizations.schemas import MemberChanges

__all__ = ["handler"]


@app.patch("/v1/organizations/<organizationId>/members/<userId>", tags=["Members"])
def update_member(
    organization_id: OrganizationId,
    user_id: UserId,
    body: MemberChanges,
    caller: OrganizationManage,
    if_match: IfMatch = None,
) -> MemberView:
    """Change role, custom role, permissions, isActive; nobody grants more than they hold."""
    return members.update(caller, organization_id, user_id, body, if_match)
