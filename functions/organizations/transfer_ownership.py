"""POST /v1/organizations/{organizationId}/transfer-ownership"""

from weconnect.api.resolver import app, handler
from weconnect.auth.parameters import AnyPerson
from weconnect.organizations.entities import Member
from weconnect.organizations.members import members
from weconnect.organizations.parameters import OrganizationId
from weconnect.organizations.schemas import OwnershipTransfer

__all__ = ["handler"]


@app.post("/v1/organizations/<organizationId>/transfer-ownership", replays=True, tags=["Members"])
def transfer_ownership(organization_id: OrganizationId, body: OwnershipTransfer, caller: AnyPerson) -> Member:
    """Transfer the ownership to another member.

    The caller remains as an admin.
    """
    return members.transfer_ownership(caller, organization_id, body)
