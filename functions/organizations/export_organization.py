"""POST /v1/organizations/{organizationId}/export"""

from weconnect.api.resolver import app, handler
from weconnect.auth.parameters import AnyPerson
from weconnect.organizations import export
from weconnect.organizations.parameters import OrganizationId
from weconnect.organizations.schemas import Export

__all__ = ["handler"]


@app.post("/v1/organizations/<organizationId>/export", tags=["Organizations"])
def export_organization(organization_id: OrganizationId, caller: AnyPerson) -> Export:
    """Take everything along as one JSON document, without secrets. For its owner."""
    return export.export(caller, organization_id)
