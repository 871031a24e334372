"""PUT /v1/organizations/{organizationId}/identity-provider"""

from weconnect.api.resolver import IfMatch, app, handler
from weconnect.auth.sso import identity_providers
from weconnect.auth.sso.entities import IdentityProvider, IdentityProviderSettings
from weconnect.organizations.parameters import OrganizationId, OrganizationManage

__all__ = ["handler"]


@app.put("/v1/organizations/<organizationId>/identity-provider", tags=["Single sign-on"])
def put_identity_provider(
    organization_id: OrganizationId,
    body: IdentityProviderSettings,
    caller: OrganizationManage,
    if_match: IfMatch = None,
) -> IdentityProvider:
    """Set issuer, client id and secret for single sign-on, after reading the issuer's discovery document."""
    return identity_providers.put(caller, organization_id, body, if_match)
