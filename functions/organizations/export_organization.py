"""POST /v1/organizations/{organizationId}/export"""

from weconnect.api.resolver import app, handler
from weconnect.auth.parameters import AnyPerson
from weconnect.organizations import export
from weconnect.organizations.parameters import OrganizationId
from weconnect.organizations.schemas import ExportResult

__all__ = ["handler"]


@app.post("/v1/organizations/<organizationId>/export", replays=True, tags=["Organizations"])
def export_organization(organization_id: OrganizationId, caller: AnyPerson) -> ExportResult:
    """Export the organization as one JSON document.

    Secrets are left out. Only for its owner.
    """
    return export.create_export(caller, organization_id)
