"""PUT /v1/organizations/{organizationId}/domains/{domain}"""

from weconnect.api.resolver import app, handler
from weconnect.organizations.domains import mail_domains
from weconnect.organizations.entities import MailDomain
from weconnect.organizations.parameters import DomainName, OrganizationId
from weconnect.organizations.permissions import OrganizationManage

__all__ = ["handler"]


@app.put("/v1/organizations/<organizationId>/domains/<domain>", tags=["Mail domains"])
def put_domain(organization_id: OrganizationId, domain: DomainName, caller: OrganizationManage) -> MailDomain:
    """Claim a mail domain.

    The response names the TXT record to set. A repeated claim keeps its record.
    """
    return mail_domains.put(caller, organization_id, domain)
