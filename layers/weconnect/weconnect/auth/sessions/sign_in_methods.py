"""The way in which a session was opened, and the organizations that it therefore reaches.

An organization's identity provider belongs to that organization: whoever manages it can make it say anything. So it
speaks for that organization and for nothing else.

1. A session that a provider opened is bound to the provider's organization. No refresh and no switch leads it to
   another one, it never operates the deployment, and it does not reach the user's account (password, address, second
   factor, other sessions, other organizations), which `parameters.Person` refuses.
2. It ends when the provider is removed, or replaced by another issuer or client.
3. It may be an owner's, or that of a member with a permission that an admin lacks, only if an owner configured the
   provider: the right to manage an organization must not be a way to become its owner.
4. One that no owner has confirmed, by setting it or by enforcing single sign-on, is worth what the user who set it is
   now: while that user may not set it any more, it signs nobody in, and its sessions are not renewed.
5. Where single sign-on is enforced, no other session is accepted, except for an owner's with a second factor, and no
   API key that was created in another session (checked by the authorizer).

`session_rules` decides. It is asked at each refresh, and by the authorizer before each request that is no GET; so only
reading goes on until an access token ends (15 minutes). API keys are checked at each request. A key that was created in
a single sign-on session works in its organization only, until somebody who manages the organization revokes it.
"""

from uuid import UUID

from weconnect import clock
from weconnect.auth.errors import IdentityProviderNotConfirmed
from weconnect.auth.sessions import session_rules
from weconnect.auth.sessions.session_rules import OpenSession, SecurityRules
from weconnect.db import table
from weconnect.errors import Forbidden, NotFound, Unauthenticated
from weconnect.identity.permissions import PERMISSIONS_BY_ROLE
from weconnect.identity.rows import IdentityProviderRow, SessionRow
from weconnect.organizations.entities import Organization
from weconnect.organizations.members import membership as members
from weconnect.organizations.members.active_membership import ActiveMembership


def require_allowed(session: SessionRow, membership: ActiveMembership) -> None:
    """Raise an error unless the organization accepts the way in which the session was opened.

    Raises SsoRequired, SsoSession, SsoNotForOwners, IdentityProviderNotConfirmed, or SessionEnded when the identity
    provider was changed.
    """
    organization = membership.organization
    facts = build_facts(session, membership)
    session_rules.require_bound_organization(facts, organization.id)
    provider = None
    if facts.is_sso:
        provider = table.get(IdentityProviderRow, IdentityProviderRow.at(organization.id))
        session_rules.require_same_provider(facts, provider.trust if provider else None)
        if provider:
            require_confirmed(provider, organization)
    session_rules.require_accepted_sign_in(
        facts,
        read_rules(organization),
        membership.member.role,
        membership.permissions(),
        signs_in_owners=bool(provider and provider.signs_in_owners),
    )


def require_confirmed(provider: IdentityProviderRow, organization: Organization) -> None:
    """Raise IdentityProviderNotConfirmed unless an owner stands for the provider, or a user who may still set it.

    Only a provider that no owner has confirmed costs reads: that of the user, and that of their membership.
    """
    if provider.signs_in_owners or read_rules(organization).enforce_sso:
        return
    try:
        setter = members.load_present_caller(organization.id, UUID(provider.user_id))
        members.require_may_grant(setter, "", PERMISSIONS_BY_ROLE["admin"])
    except (Unauthenticated, Forbidden, NotFound):
        raise IdentityProviderNotConfirmed(
            "Whoever set the identity provider of this organization may not do so any more. An owner or an admin must "
            f"check it and set it again: PUT /v1/organizations/{organization.id}/identity-provider."
        ) from None


def require_may_link(provider: IdentityProviderRow, membership: ActiveMembership) -> None:
    """Raise SsoNotForOwners unless the provider may sign a member in.

    Call this before a subject is linked to the member: the link would outlive the refusal of the session.
    """
    organization = membership.organization
    facts = OpenSession(clock.iso(clock.now()), False, str(organization.id), provider.trust)
    session_rules.require_accepted_sign_in(
        facts,
        read_rules(organization),
        membership.member.role,
        membership.permissions(),
        signs_in_owners=provider.signs_in_owners,
    )


def build_facts(session: SessionRow, membership: ActiveMembership | None = None) -> OpenSession:
    """Return the facts of a session; without its user's membership it counts as one without a second factor."""
    return OpenSession(
        session.created_at,
        bool(membership and session.mfa and membership.user.mfa_enabled),
        session.sso_organization_id,
        session.sso_provider,
    )


def read_rules(organization: Organization) -> SecurityRules:
    """Return an organization's rules for signing in."""
    security = organization.custom_settings.security
    return SecurityRules.of(security.model_dump() if security else None)
