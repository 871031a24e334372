"""PATCH /v1/organizations/{organizationId}/members/{userId}"""

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.organizations.entities import Member
from weconnect.organizations.members import members
from weconnect.organizations.parameters import OrganizationId, UserId
from weconnect.organizations.permissions import OrganizationManage
from weconnect.organizations.schemas import MemberChanges

__all__ = ["handler"]


@app.patch("/v1/organizations/<organizationId>/members/<userId>", tags=["Members"])
def update_member(
    organization_id: OrganizationId,
    user_id: UserId,
    body: MemberChanges,
    caller: OrganizationManage,
    if_match: IfMatch = None,
) -> Member:
    """Update a member's role, permissions or status.

    It can only grant permissions that the caller holds.
    """
    return members.update(caller, organization_id, user_id, body, if_match)
