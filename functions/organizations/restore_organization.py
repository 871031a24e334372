"""POST /v1/organizations/{organizationId}/restore"""

from weconnect.api.resolver import app, handler
from weconnect.auth.parameters import Person
from weconnect.organizations import deletion
from weconnect.organizations.entities import Organization
from weconnect.organizations.parameters import OrganizationId

__all__ = ["handler"]


@app.post("/v1/organizations/<organizationId>/restore", tags=["Organizations"])
def restore_organization(organization_id: OrganizationId, caller: Person) -> Organization:
    """Bring an organization back from the trash, whichever one the caller is in now. For its owner."""
    return deletion.restore(caller, organization_id)
