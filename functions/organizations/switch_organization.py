"""POST /v1/organizations/{organizationId}/switch"""

from weconnect.api.resolver import app, handler
from weconnect.auth.parameters import Person
from weconnect.auth.schemas import Tokens
from weconnect.auth.sessions import switching
from weconnect.organizations.parameters import OrganizationId

__all__ = ["handler"]


@app.post(
    "/v1/organizations/<organizationId>/switch",
    returns_secret=True,
    self_service=True,
    replays=True,
    tags=["Organizations"],
)
def switch_organization(organization_id: OrganizationId, caller: Person) -> Tokens:
    """Switch to an organization.

    Returns new tokens for it.
    """
    return switching.switch_organization(caller, organization_id)
