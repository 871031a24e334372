"""PATCH /v1/organizations/{organizationId}"""

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.organizations import service
from weconnect.organizations.entities import Organization
from weconnect.organizations.parameters import OrganizationId
from weconnect.organizations.permissions import OrganizationManage
from weconnect.organizations.schemas import OrganizationChanges

__all__ = ["handler"]


@app.patch("/v1/organizations/<organizationId>", tags=["Organizations"])
def update_organization(
    organization_id: OrganizationId,
    body: OrganizationChanges,
    caller: OrganizationManage,
    if_match: IfMatch = None,
) -> Organization:
    """Update an organization.

    Changes its name, slug, settings or billing information.
    """
    return service.update(caller, organization_id, body, if_match)
