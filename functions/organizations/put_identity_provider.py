"""PUT /v1/organizations/{organizationId}/identity-provider"""

from weconnect.api.parameters import IfMatch
from weconnect.api.resolver import app, handler
from weconnect.auth.sso import identity_providers
from weconnect.auth.sso.schemas import IdentityProviderSettings
from weconnect.identity.entities import IdentityProvider
from weconnect.organizations.parameters import OrganizationId
from weconnect.organizations.permissions import OrganizationManage

__all__ = ["handler"]


@app.put("/v1/organizations/<organizationId>/identity-provider", tags=["Single sign-on"])
def put_identity_provider(
    organization_id: OrganizationId,
    body: IdentityProviderSettings,
    caller: OrganizationManage,
    if_match: IfMatch = None,
) -> IdentityProvider:
    """Set the organization's OIDC identity provider.

    Reads the issuer's discovery document before it stores issuer, client id and client secret.
    """
    return identity_providers.put(caller, organization_id, body, if_match)
