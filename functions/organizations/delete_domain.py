"""DELETE /v1/organizations/{organizationId}/domains/{domain}"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content
from weconnect.organizations.domains import mail_domains
from weconnect.organizations.parameters import DomainName, OrganizationId
from weconnect.organizations.permissions import OrganizationManage

__all__ = ["handler"]


@app.delete("/v1/organizations/<organizationId>/domains/<domain>", status_code=204, tags=["Mail domains"])
def delete_domain(
    organization_id: OrganizationId, domain: DomainName, caller: OrganizationManage, if_match: IfMatch = None
) -> Response[None]:
    """Remove a mail domain, proved or not."""
    mail_domains.delete(caller, organization_id, domain, if_match)
    return no_content()
