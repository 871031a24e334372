"""PATCH /v1/organizations/{organizationId}"""

from weconnect.api.resolver import IfMatch, app, handler
from weconnect.organizations import service
from weconnect.organizations.entities import Organization
from weconnect.organizations.parameters import OrganizationId, OrganizationManage
from weconnect.organizations.schemas import OrganizationChanges

__all__ = ["handler"]


@app.patch("/v1/organizations/<organizationId>", tags=["Organizations"])
def update_organization(
    organization_id: OrganizationId,
    body: OrganizationChanges,
    caller: OrganizationManage,
    if_match: IfMatch = None,
) -> Organization:
    """Change name, slug, settings, billing information."""
    return service.update(caller, organization_id, body, if_match)
