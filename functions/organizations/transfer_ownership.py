"""POST /v1/organizations/{organizationId}/transfer-ownership"""

from weconnect.api.resolver import app, handler
from weconnect.auth.account import ownership
from weconnect.auth.parameters import AnyPerson
from weconnect.auth.schemas import OwnershipTransfer
from weconnect.organizations.entities import Member
from weconnect.organizations.parameters import OrganizationId

__all__ = ["handler"]


@app.post("/v1/organizations/<organizationId>/transfer-ownership", replays=True, tags=["Members"])
def transfer_ownership(organization_id: OrganizationId, body: OwnershipTransfer, caller: AnyPerson) -> Member:
    """Transfer the ownership to another member.

    The caller remains as an admin. Needs the password or a second factor's code; who has neither signs in again
    first.
    """
    return ownership.transfer(caller, organization_id, body)
