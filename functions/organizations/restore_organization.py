"""POST /v1/organizations/{organizationId}/restore"""

from weconnect.api.resolver import app, handler
from weconnect.auth.parameters import Person
from weconnect.organizations import deletion
from weconnect.organizations.entities import Organization
from weconnect.organizations.parameters import OrganizationId

__all__ = ["handler"]


@app.post(
    "/v1/organizations/<organizationId>/restore",
    beyond_organization=True,
    replays=True,
    tags=["Organizations"],
)
def restore_organization(organization_id: OrganizationId, caller: Person) -> Organization:
    """Restore an organization from the trash.

    Works from any current organization. Only for its owner.
    """
    return deletion.restore(caller, organization_id)
