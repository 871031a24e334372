"""DELETE /v1/organizations/{organizationId}/identity-provider"""

from aws_lambda_powertools.event_handler import Response

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.api.responses import no_content
from weconnect.auth.sso import identity_providers
from weconnect.organizations.parameters import OrganizationId
from weconnect.organizations.permissions import OrganizationManage

__all__ = ["handler"]


@app.delete("/v1/organizations/<organizationId>/identity-provider", status_code=204, tags=["Single sign-on"])
def delete_identity_provider(
    organization_id: OrganizationId, caller: OrganizationManage, if_match: IfMatch = None
) -> Response[None]:
    """Remove the organization's identity provider.

    Ends the sessions that it opened. Refused while `enforceSSO` is on.
    """
    identity_providers.delete(caller, organization_id, if_match)
    return no_content()
