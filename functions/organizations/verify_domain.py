"""POST /v1/organizations/{organizationId}/domains/{domain}/verify"""

from weconnect.api.resolver import app, handler
from weconnect.organizations.domains import mail_domains
from weconnect.organizations.entities import MailDomain
from weconnect.organizations.parameters import DomainName, OrganizationId
from weconnect.organizations.permissions import OrganizationManage

__all__ = ["handler"]


@app.post("/v1/organizations/<organizationId>/domains/<domain>/verify", tags=["Mail domains"], replays=True)
def verify_domain(
    organization_id: OrganizationId, domain: DomainName, caller: OrganizationManage
) -> MailDomain:
    """Verify a mail domain by its TXT record.

    A domain has one owner. A proof stays when the record goes, until another organization proves the domain.
    """
    return mail_domains.verify(caller, organization_id, domain)
