"""GET /v1/organizations/{organizationId}/identity-provider"""

from weconnect.auth import identity_providers
from weconnect.auth.sso_entities import IdentityProvider
from weconnect.http import app, handler
from weconnect.organizations.parameters import OrganizationId, OrganizationManage

__all__ = ["handler"]


@app.get("/v1/organizations/<organizationId>/identity-provider", tags=["Single sign-on"])
def get_identity_provider(organization_id: OrganizationId, caller: OrganizationManage) -> IdentityProvider:
    """The OIDC provider, without its secret."""
    return identity_providers.get(caller, organization_id)
