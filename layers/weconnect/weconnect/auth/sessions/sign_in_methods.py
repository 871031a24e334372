"""By which way somebody signed in, and where that way leads.

An organization's identity provider belongs to that organization: whoever manages it may let it say anything. So it
speaks for that organization and for nothing else.

1. A session that it vouched for is bound to the organization: no refresh and no switch leads it to another one, it
   never operates the deployment, and it does not reach the account itself (password, address, second factor, other
   sessions, other organizations): `parameters.Person` refuses it.
2. It ends when the provider is removed, or replaced by another issuer or client.
3. It may be an owner's only when an owner set the provider: who manages an organization must not become its owner.
4. Where single sign-on is enforced, no other session acts, but an owner's that was begun with a second factor; and no
   API key that another session made (the authorizer looks).

What is checked at a refresh reaches an access token within its 15 minutes; keys are checked at each request. A key that
was made in such a session works in this organization only, and stays until somebody who manages it revokes it.
"""

from typing import TYPE_CHECKING

from weconnect.auth.rows import IdentityProviderRow, SessionRow
from weconnect.db import table
from weconnect.errors import Forbidden, Unauthenticated
from weconnect.organizations.entities import OrganizationRole

if TYPE_CHECKING:
    from weconnect.auth.sessions.sessions import Standing


def require(session: SessionRow, who: "Standing") -> None:
    """Refuse a session that its way in does not lead to where `who` stands."""
    owns = who.member.role == OrganizationRole.OWNER
    if session.sso_organization_id is None:
        security = who.organization.custom_settings.security
        with_second_factor = session.mfa and who.user.mfa_enabled
        if security and security.enforce_sso and not (owns and with_second_factor):
            raise Forbidden(
                "This organization takes single sign-on only: POST /v1/auth/sso/start; an owner may sign in with a "
                "password and a second factor",
                code="sso_required",
            )
        return
    require_here(session, who.organization.id)
    provider = table.get(IdentityProviderRow, IdentityProviderRow.at(who.organization.id))
    if provider is None or provider.trust != session.sso_provider:
        raise Unauthenticated("The identity provider was changed; sign in again", code="session_ended")
    if owns and not provider.signs_in_owners:
        raise Forbidden(
            "Owners sign in through the identity provider only when an owner has set it",
            code="sso_not_for_owners",
        )


def require_here(session: SessionRow, organization_id: object) -> None:
    """Refuse to lead a bound session elsewhere, before anything tells whether its user is a member there."""
    if session.sso_organization_id not in (None, str(organization_id)):
        raise Forbidden(
            "Signed in through an organization's identity provider you act in that organization only",
            code="sso_session",
        )
