"""Whom an identity provider's word stands for in its organization: a member, a newcomer, or nobody.

The provider is its tenant's own and may say anything, so what it says reaches no further than its organization:

- A subject stands for one user, and a user for one subject: an address that the provider gives to somebody else opens
  nothing.
- An address without an account gets one, without a password and not verified: it is no word of ours.
- An account that is a member already is that member.
- Any other account joins by the provider's word only where the word is good: in the mail domain of the person who set
  the provider, whose own address there we have verified (`IdentityProvider.domain`), and if the account is its
  holder's: verified, or without a password. Else somebody could wait behind an address that was never theirs, or a
  tenant could draw anybody in. They accept an invitation instead.
- Who left or was removed comes back by an invitation only.
"""

import secrets
from uuid import UUID

from weconnect import clock, ids, mail
from weconnect.api.caller import Caller, RequestInfo
from weconnect.auth.entities import User, normal_email
from weconnect.auth.login import passwords
from weconnect.auth.rows import EmailRow, IdentityOfUserRow, IdentityProviderRow, IdentityRow, UserRow
from weconnect.auth.sso import identity_providers, oidc
from weconnect.auth.sso.oidc import Identity
from weconnect.db import table
from weconnect.db.table import Transaction
from weconnect.errors import Conflict, Forbidden, Unauthenticated
from weconnect.organizations.entities import Organization, OrganizationMember, OrganizationRole
from weconnect.organizations.members import membership
from weconnect.organizations.rows import MemberRow


def admit(
    provider: IdentityProviderRow, organization: Organization, identity: Identity, request: RequestInfo
) -> UUID:
    """The user whom an identity stands for, made or linked when it is seen for the first time."""
    try:
        address = normal_email(identity.email)
    except ValueError:
        raise oidc.failed("the e-mail address that it sent is none") from None
    if not identity.email_verified:
        raise Forbidden("The identity provider has not verified this address", code="email_not_verified")
    allowed = identity_providers.allowed_domains(organization)
    if allowed and _domain(address) not in allowed:
        raise Forbidden("The organization does not take addresses of this domain", code="domain_not_allowed")
    try:
        return _admit(provider, organization, identity, address, request)
    except Conflict:  # the same person in another tab was faster, and is known now
        return _admit(provider, organization, identity, address, request)


def _admit(
    provider: IdentityProviderRow,
    organization: Organization,
    identity: Identity,
    address: str,
    request: RequestInfo,
) -> UUID:
    linked = _linked_user(organization, provider, identity)
    known = linked or _user_at(address)
    if known and not known.is_active:
        raise Unauthenticated("This account is not active", code="account_inactive")
    row = table.get(MemberRow, MemberRow.at(organization.id, known.id)) if known else None
    _check_member(row.to_entity() if row else None, gone=linked is not None and row is None)
    if linked:
        return linked.id
    if known and row is None:
        _refuse_stranger(provider, known)
    user = known or _newcomer(organization, identity, address)
    with table.transaction(_actor(user.id, organization, request)) as writes:
        _link(writes, provider, organization, identity, user)
        if known is None:
            _create_user(writes, user, request)
        if row is None:
            _join(writes, organization, user.id)
    if known and row is None:
        mail.send(user.email, f"You are a member of {organization.name} now", _welcome(organization))
    return user.id


def _linked_user(
    organization: Organization, provider: IdentityProviderRow, identity: Identity
) -> User | None:
    """The user whom the subject stood for before; one whose account was deleted since begins anew."""
    linked = table.get(IdentityRow, IdentityRow.at(organization.id, provider.trust, identity.subject))
    row = table.get(UserRow, UserRow.at(linked.user_id)) if linked else None
    if linked and row is None:
        linked.delete()
    return row.to_entity() if row else None


def _user_at(address: str) -> User | None:
    found = table.get(EmailRow, EmailRow.at(address))
    row = table.get(UserRow, UserRow.at(found.user_id)) if found else None
    return row.to_entity() if row else None


def _check_member(member: OrganizationMember | None, *, gone: bool) -> None:
    if gone or (member and not member.is_active):
        raise Forbidden(
            "You are not a member of this organization any more; ask for an invitation", code="not_a_member"
        )
    if member and member.is_pending:
        raise Forbidden("Accept the invitation that was mailed to you first", code="invitation_open")


def _refuse_stranger(provider: IdentityProviderRow, user: User) -> None:
    """Let an account that is no member join only by a word that is good."""
    is_holders = user.email_verified or user.password_changed_at is None
    if provider.domain != _domain(user.email) or not is_holders:
        raise Forbidden(
            "This address has an account here that is no member of the organization: sign in with its password and "
            "accept an invitation first",
            code="account_exists",
        )


def _link(
    writes: Transaction,
    provider: IdentityProviderRow,
    organization: Organization,
    identity: Identity,
    user: User,
) -> None:
    other = Forbidden(
        "This address belongs to another person at the identity provider", code="identity_mismatch"
    )
    pk, sk = IdentityRow.at(organization.id, provider.trust, identity.subject)
    writes.create(IdentityRow(pk=pk, sk=sk, user_id=str(user.id)))
    pk, sk = IdentityOfUserRow.at(organization.id, provider.trust, user.id)
    writes.create(IdentityOfUserRow(pk=pk, sk=sk), other)


def _newcomer(organization: Organization, identity: Identity, address: str) -> User:
    moment = clock.now()
    return User(
        id=ids.new_id(),
        created_at=moment,
        updated_at=moment,
        email=address,
        password=passwords.hashed(secrets.token_urlsafe(48)),  # nobody's: `password_changed_at` stays empty
        first_name=identity.first_name,
        last_name=identity.last_name,
        current_organization_id=organization.id,
    )


def _create_user(writes: Transaction, user: User, request: RequestInfo) -> None:
    pk, sk = EmailRow.at(user.email)
    writes.create(EmailRow(pk=pk, sk=sk, user_id=str(user.id)))
    pk, sk = UserRow.at(user.id)
    writes.create(
        UserRow.of(
            user,
            pk=pk,
            sk=sk,
            gsi1pk=UserRow.by_current_organization(user.current_organization_id),
            gsi1sk=str(user.id),
            gsi2pk=UserRow.by_role(user.role),
            gsi2sk=UserRow.by_role_order(user.is_active, user.id),
            last_ip_address=request.ip,
            user_agent=request.user_agent,
            signup_source="sso",
        )
    )


def _join(writes: Transaction, organization: Organization, user_id: UUID) -> None:
    moment = clock.now()
    member = OrganizationMember(
        id=ids.new_id(),
        created_at=moment,
        updated_at=moment,
        organization_id=organization.id,
        user_id=user_id,
        role=OrganizationRole.MEMBER,
        joined_at=moment,
    )
    pk, sk = MemberRow.at(organization.id, user_id)
    keys = {"gsi1pk": MemberRow.of_user(user_id), "gsi1sk": MemberRow.of_user_order(organization.id)}
    membership.take_place(writes, organization)
    writes.create(MemberRow.of(member, pk=pk, sk=sk, **keys))


def _welcome(organization: Organization) -> str:
    return (
        f"You signed in to WeConnect through the identity provider of {organization.name}, and joined it as a member."
        "\n\nIf that was not you, sign in with your password and leave the organization; your other organizations "
        "cannot be reached that way.\n"
    )


def _domain(address: str) -> str:
    return address.rpartition("@")[2]


def _actor(user_id: UUID, organization: Organization, request: RequestInfo) -> dict[str, object]:
    return Caller(user_id, organization.id, "member", frozenset(), request=request).actor()
