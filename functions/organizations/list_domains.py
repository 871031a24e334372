"""GET /v1/organizations/{organizationId}/domains"""

from weconnect.api.resolver import app, handler
from weconnect.organizations.domains import mail_domains
from weconnect.organizations.parameters import OrganizationId
from weconnect.organizations.permissions import OrganizationManage
from weconnect.organizations.schemas import DomainList

__all__ = ["handler"]


@app.get("/v1/organizations/<organizationId>/domains", tags=["Mail domains"])
def list_domains(organization_id: OrganizationId, caller: OrganizationManage) -> DomainList:
    """List the mail domains with their records and proofs."""
    return mail_domains.find(caller, organization_id)
