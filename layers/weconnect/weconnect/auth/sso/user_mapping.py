"""The mapping from a provider's identity to a user: a member, a new user, or nobody.

The provider belongs to its tenant and may say anything, so its word reaches no further than its organization:

- A subject maps to one user, and a user to one subject: an address that the provider reassigns to another person opens
  nothing.
- For an address without an account, an account is created, without a password and not verified: the provider's word is
  not ours.
- An account whose address is not verified, but which has a password, is nobody's: somebody could wait behind an
  address that was never theirs. Neither sign-in nor link reaches it.
- Any other account that is a member already is that member.
- An account outside of the organization joins by the provider's word only if the word can be trusted: in a mail domain
  that the organization proved. Otherwise a tenant could draw anybody in. Such a user accepts an invitation instead.
- An address outside of those domains that is new to the organization counts as a registration of its network, and is
  refused before anybody looks for its account where the quota of members is used up. So a guess about who has an
  account costs what it costs at a registration: the holder gets a mail, or the free address is taken.
- An address counts as verified by the claim `email_verified`, or, where the provider is set so (`emailTrust`) and the
  token does not say, by the issuer in a mail domain that the organization proved.
- A user who left, was removed or was suspended comes back by an invitation only, also with a new account: the link of
  the subject stays, and so does a marker of the address (`FormerMemberRow`).
"""

import secrets
from uuid import UUID

from weconnect import clock, ids, mail
from weconnect.actor import Actor
from weconnect.api.caller import Caller, RequestInfo
from weconnect.auth.account import users
from weconnect.auth.errors import AccountExists, IdentityMismatch, SsoFailed
from weconnect.auth.registration_counts import count_registration
from weconnect.auth.rows import IdentityOfUserRow, IdentityRow
from weconnect.auth.sessions import sign_in_methods
from weconnect.auth.sso import identity_providers
from weconnect.auth.sso.oidc import Identity
from weconnect.db import table
from weconnect.db.table import Transaction
from weconnect.errors import Conflict
from weconnect.identity import mail_limits, passwords
from weconnect.identity.email_addresses import domain_of, normalize_email
from weconnect.identity.entities import EmailTrust, StoredUser
from weconnect.identity.errors import AccountInactive, EmailNotVerified
from weconnect.identity.rows import NO_USER_ID, IdentityProviderRow, UserRow
from weconnect.identity.verified_addresses import may_be_squatted
from weconnect.organizations.domains import mail_domains
from weconnect.organizations.entities import Organization, OrganizationMember, OrganizationRole
from weconnect.organizations.errors import DomainNotAllowed, NotAMember
from weconnect.organizations.members import membership
from weconnect.organizations.members.active_membership import load_active_membership
from weconnect.organizations.rows import FormerMemberRow, MemberRow


def resolve_user(
    provider: IdentityProviderRow, organization: Organization, identity: Identity, request: RequestInfo
) -> UUID:
    """Return the ID of the user that an identity maps to; create or link the user at the first sign-in.

    Raises SsoFailed, EmailNotVerified, DomainNotAllowed, TooManyRegistrations, MemberLimitReached, AccountExists,
    NotAMember, AccountInactive, SsoNotForOwners or IdentityMismatch.
    """
    try:
        address = normalize_email(identity.email)
    except ValueError:
        raise SsoFailed("it sent an e-mail address that is not valid") from None
    _require_vouched(provider, organization, identity, domain_of(address))
    allowed = identity_providers.allowed_domains(organization)
    if allowed and domain_of(address) not in allowed:
        raise DomainNotAllowed()
    try:
        return _find_or_link_user(provider, organization, identity, address, request)
    except Conflict:  # the same person signed in in another browser tab at the same time, and is linked now
        return _find_or_link_user(provider, organization, identity, address, request)


def _require_vouched(
    provider: IdentityProviderRow, organization: Organization, identity: Identity, domain: str
) -> None:
    """Raise EmailNotVerified unless the token, or its issuer in a proved domain, vouches for the address."""
    if identity.is_email_verified:
        return
    if identity.is_email_verified is None and provider.email_trust == EmailTrust.ISSUER:
        if mail_domains.find_owner(domain) == organization.id:
            return
        raise EmailNotVerified(
            f"The identity provider is trusted in the organization's mail domains, and {domain} is not proved as one. "
            f"Claim it by PUT /v1/organizations/{organization.id}/domains/{domain}, and verify it."
        )
    raise EmailNotVerified(
        "The identity provider has not verified this address. Configure it to send the claim email_verified, or, if it "
        "sends none (Entra ID), set emailTrust of the organization's identity provider to issuer."
    )


def _find_or_link_user(
    provider: IdentityProviderRow,
    organization: Organization,
    identity: Identity,
    address: str,
    request: RequestInfo,
) -> UUID:
    """Return the ID of the user for an identity; create the user, link or membership that is missing."""
    link = table.get(IdentityRow, IdentityRow.at(organization.id, provider.trust, identity.subject))
    linked = table.get(UserRow, UserRow.at(link.user_id)) if link else None
    user_row = linked or users.find_by_email(address)
    existing = user_row.to_entity() if user_row else None
    row = table.get(MemberRow, MemberRow.at(organization.id, existing.id if existing else NO_USER_ID))
    if link is None and row is None:
        _require_may_join(organization, existing, address, request)
    _check_member(row, has_left=link is not None and row is None)
    if existing and not existing.is_active:
        raise AccountInactive()
    if existing and (linked or row) and may_be_squatted(existing):
        raise EmailNotVerified(
            "An account with this address exists, and its address is not verified. Request a new password, which "
            "verifies it, and sign in again."
        )
    if existing and linked:
        return existing.id
    if existing and row:
        sign_in_methods.require_may_link(provider, load_active_membership(existing.id, organization.id))
    user = existing or _draft_user(organization, identity, address)
    actor = _build_actor(user.id, organization, request)
    if existing and row is None:
        # API keys of an earlier membership must not become valid again.
        membership.revoke_api_keys(actor, organization.id, user.id)
    with table.transaction(actor) as writes:
        _link_identity(writes, provider, organization, identity, user, is_stale=link is not None)
        if existing is None:
            writes.create(users.build_email_row(user.email, user.id))
            writes.create(users.build_user_row(user, request, signup_source="sso"))
        if row is None:
            _add_member(writes, organization, user)
    if row is None:
        _notify(user.email, organization, is_new=existing is None)
    return user.id


def _check_member(member: MemberRow | None, *, has_left: bool) -> None:
    """Raise NotAMember for a member who left or is inactive; None passes."""
    if has_left or (member and not member.is_active):
        raise _build_left()


def _build_left() -> NotAMember:
    """Return the NotAMember problem of a former member, with its advice."""
    return NotAMember("You have left this organization or were removed. Request an invitation.")


def _require_may_join(
    organization: Organization, user: StoredUser | None, address: str, request: RequestInfo
) -> None:
    """Raise an error unless the provider's word makes an address a member; `user` has the account of the address.

    The quota is asked before the account, so that a full organization hears the same about every address. Raises
    TooManyRegistrations, MemberLimitReached, or AccountExists for an account that the provider cannot vouch for.
    """
    is_own_domain = mail_domains.find_owner(domain_of(address)) == organization.id
    if not is_own_domain:
        count_registration(request.ip)
    membership.require_member_quota(organization)
    if user is None or (is_own_domain and not may_be_squatted(user)):
        return
    if mail_limits.count_mail_to(address, request.ip):
        mail.send(address, "You have an account already", _compose_refusal_text(organization))
    raise AccountExists(
        "An account with this address exists outside of the organization. Sign in with its password and accept an "
        "invitation first."
    )


def _compose_refusal_text(organization: Organization) -> str:
    """Return the text of the mail to the holder of an account that a provider cannot vouch for."""
    return (
        f"Hello,\n\nsomeone signed in to WeConnect with this address through the identity provider of "
        f"{mail.to_safe_name(organization.name)}. The address has an account outside of it, so nothing has changed.\n"
        "If it was you, request an invitation and accept it after you signed in with your password.\n"
    )


def _link_identity(
    writes: Transaction,
    provider: IdentityProviderRow,
    organization: Organization,
    identity: Identity,
    user: StoredUser,
    *,
    is_stale: bool,
) -> None:
    """Tie the provider's subject and the user to each other; the transaction raises IdentityMismatch.

    `is_stale`: the subject has a link to a deleted account, which is replaced.
    """
    pk, sk = IdentityRow.at(organization.id, provider.trust, identity.subject)
    row = IdentityRow(pk=pk, sk=sk, user_id=str(user.id))
    if is_stale:
        writes.put(row)
    else:
        writes.create(row)
    pk, sk = IdentityOfUserRow.at(organization.id, provider.trust, user.id)
    writes.create(IdentityOfUserRow(pk=pk, sk=sk), IdentityMismatch())


def _draft_user(organization: Organization, identity: Identity, address: str) -> StoredUser:
    """Return a new user for an identity, with a password that nobody can know; nothing is stored yet."""
    moment = clock.now()
    return StoredUser(
        id=ids.new_id(),
        created_at=moment,
        updated_at=moment,
        email=address,
        password=passwords.hash_password(
            secrets.token_urlsafe(48)
        ),  # unusable; `password_changed_at` stays empty
        first_name=identity.first_name,
        last_name=identity.last_name,
        current_organization_id=organization.id,
    )


def _add_member(writes: Transaction, organization: Organization, user: StoredUser) -> None:
    """Make a user a plain member, counted in the quota; the transaction raises MemberLimitReached or NotAMember."""
    moment = clock.now()
    member = OrganizationMember(
        id=ids.new_id(),
        created_at=moment,
        updated_at=moment,
        organization_id=organization.id,
        user_id=user.id,
        role=OrganizationRole.MEMBER,
        joined_at=moment,
    )
    former_at = FormerMemberRow.at(organization.id, user.email)
    writes.check(FormerMemberRow, former_at, FormerMemberRow.pk.does_not_exist(), _build_left())
    pk, sk = MemberRow.at(organization.id, user.id)
    index_keys = {"gsi1pk": MemberRow.of_user(user.id), "gsi1sk": MemberRow.of_user_order(organization.id)}
    membership.take_member_quota(writes, organization)
    writes.create(MemberRow.of(member, pk=pk, sk=sk, **index_keys))


def _notify(email: str, organization: Organization, *, is_new: bool) -> None:
    """Mail an address that single sign-on made its user a member; `is_new`: it also created the account."""
    if is_new and not mail_limits.count_tenant_mail_to(email, organization.id):
        return  # the provider, which belongs to a tenant, chose the address
    name = mail.to_safe_name(organization.name)
    if is_new:
        text = (
            f"the identity provider of {name} created a WeConnect account for this address, which is a member of it."
            "\n\nIf that was not you, somebody else uses your address there. Request a new password: that takes the "
            "account over, and ends the membership.\n"
        )
    else:
        text = (
            f"you signed in to WeConnect through the identity provider of {name}, and joined it as a member."
            "\n\nIf that was not you, sign in with your password and leave the organization. Your other organizations "
            "cannot be reached that way.\n"
        )
    mail.send(email, f"You are a member of {name} now", f"Hello,\n\n{text}")


def _build_actor(user_id: UUID, organization: Organization, request: RequestInfo) -> Actor:
    """Return the user as the actor of a change in the organization, for the audit trail."""
    return Caller(user_id, organization.id, "member", frozenset(), request=request).actor()
