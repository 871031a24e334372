"""PATCH /v1/organizations/{organizationId}/members/{userId}"""

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.auth.account import ownership
from weconnect.auth.schemas import ConfirmedMemberChanges
from weconnect.organizations.entities import Member
from weconnect.organizations.parameters import OrganizationId, UserId
from weconnect.organizations.permissions import OrganizationManage

__all__ = ["handler"]


@app.patch("/v1/organizations/<organizationId>/members/<userId>", tags=["Members"])
def update_member(
    organization_id: OrganizationId,
    user_id: UserId,
    body: ConfirmedMemberChanges,
    caller: OrganizationManage,
    if_match: IfMatch = None,
) -> Member:
    """Update a member's role, permissions or status.

    It can only grant permissions that the caller holds. The role `owner` needs the password or a second factor's code.
    """
    return ownership.update_member(caller, organization_id, user_id, body, if_match)
