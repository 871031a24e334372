"""GET /v1/organizations/{organizationId}/identity-provider"""

from weconnect.api.resolver import app, handler
from weconnect.auth.sso import identity_providers
from weconnect.auth.sso.entities import IdentityProvider
from weconnect.organizations.parameters import OrganizationId, OrganizationManage

__all__ = ["handler"]


@app.get("/v1/organizations/<organizationId>/identity-provider", tags=["Single sign-on"])
def get_identity_provider(organization_id: OrganizationId, caller: OrganizationManage) -> IdentityProvider:
    """The OIDC provider, without its secret."""
    return identity_providers.get(caller, organization_id)
