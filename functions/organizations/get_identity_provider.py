"""GET /v1/organizations/{organizationId}/identity-provider"""

from weconnect.api.resolver import app, handler
from weconnect.auth.sso import identity_providers
from weconnect.identity.entities import IdentityProvider
from weconnect.organizations.parameters import OrganizationId
from weconnect.organizations.permissions import OrganizationManage

__all__ = ["handler"]


@app.get("/v1/organizations/<organizationId>/identity-provider", tags=["Single sign-on"])
def get_identity_provider(organization_id: OrganizationId, caller: OrganizationManage) -> IdentityProvider:
    """Get the organization's OIDC identity provider.

    The client secret is never returned.
    """
    return identity_providers.get(caller, organization_id)
