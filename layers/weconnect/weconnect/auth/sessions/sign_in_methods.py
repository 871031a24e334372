"""The way in which a session was opened, and the organizations that it therefore reaches.

An organization's identity provider belongs to that organization: whoever manages it can make it say anything. So it
speaks for that organization and for nothing else.

1. A session that a provider opened is bound to the provider's organization. No refresh and no switch leads it to
   another one, it never operates the deployment, and it does not reach the user's account (password, address, second
   factor, other sessions, other organizations), which `parameters.Person` refuses.
2. It ends when the provider is removed, or replaced by another issuer or client.
3. It may be an owner's only if an owner configured the provider: the right to manage an organization must not be a way
   to become its owner.
4. Where single sign-on is enforced, no other session is accepted, except for an owner's with a second factor, and no
   API key that was created in another session (checked by the authorizer).

These checks happen at each refresh and so reach an access token within its 15 minutes; API keys are checked at each
request. A key that was created in a single sign-on session works in its organization only, until somebody who manages
the organization revokes it.
"""

from weconnect.auth.errors import SessionEnded, SsoNotForOwners, SsoRequired, SsoSession
from weconnect.db import table
from weconnect.identity.rows import IdentityProviderRow, SessionRow
from weconnect.organizations.entities import OrganizationRole
from weconnect.organizations.members.active_membership import ActiveMembership


def require_allowed(session: SessionRow, membership: ActiveMembership) -> None:
    """Raise an error unless the organization accepts the way in which the session was opened.

    Raises SsoRequired, SsoSession, SsoNotForOwners, or SessionEnded when the identity provider was changed.
    """
    organization = membership.organization
    is_owner = membership.member.role == OrganizationRole.OWNER
    if session.sso_organization_id is None:
        security = organization.custom_settings.security
        is_owner_with_mfa = is_owner and session.mfa and membership.user.mfa_enabled
        if security and security.enforce_sso and not is_owner_with_mfa:
            raise SsoRequired(
                "This organization requires single sign-on: POST /v1/auth/sso/start. Owners may sign in with a "
                "password and a second factor."
            )
        return
    require_bound_organization(session, organization.id)
    provider = table.get(IdentityProviderRow, IdentityProviderRow.at(organization.id))
    if provider is None or provider.trust != session.sso_provider:
        raise SessionEnded("The identity provider was changed. Sign in again.")
    if is_owner and not provider.signs_in_owners:
        raise SsoNotForOwners(
            "Owners may sign in through the identity provider only when an owner has configured it."
        )


def require_bound_organization(session: SessionRow, organization_id: object) -> None:
    """Raise SsoSession when a single sign-on session is to act in another organization than its own.

    Call this before anything reveals whether the user is a member there.
    """
    if session.sso_organization_id not in (None, str(organization_id)):
        raise SsoSession(
            "This single sign-on session is limited to its organization. Sign in with your password to reach others."
        )
