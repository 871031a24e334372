"""Invitations: an address, a role, a token that is mailed to the address, and a reserved part of the member quota.

The token has the IDs of organization and invitation and 32 random bytes; its SHA-256 is stored. It is shown in the mail
and nowhere else, so whoever has it can read the mail of that address: accepting with it verifies the user's address.
Where the deployment sends no mail every address counts as verified anyway, and the token is part of the response
instead, to be handed over by other means.
"""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from uuid import UUID

from weconnect import clock, ids, mail
from weconnect.api.caller import Caller
from weconnect.api.idempotency import replay_safe_id
from weconnect.api.pagination import Page, query_page
from weconnect.db import table
from weconnect.db.table import Transaction
from weconnect.errors import Forbidden, NotFound, Unauthenticated
from weconnect.identity.rows import NO_USER_ID, EmailRow, UserRow
from weconnect.organizations.entities import Invitation, Organization, OrganizationMember
from weconnect.organizations.errors import (
    AlreadyInvited,
    AlreadyMember,
    InvitationNotFound,
    InvitedOtherAddress,
    MemberLimitReached,
    OrganizationNotFound,
)
from weconnect.organizations.invitations import mails, rules
from weconnect.organizations.members import membership
from weconnect.organizations.plans import usage
from weconnect.organizations.rows import (
    InvitationRow,
    InvitedAddressRow,
    MemberCountRow,
    MemberRow,
    OrganizationRow,
)
from weconnect.organizations.schemas import NewInvitation, SentInvitation
from weconnect.settings import settings

VALID_DAYS = 7


def find(caller: Caller, organization_id: UUID, *, limit: int, cursor: str | None) -> Page[Invitation]:
    """Return a page of the invitations that can still be accepted, newest first."""
    membership.require_current_organization(caller, organization_id)
    pk, _ = OrganizationRow.at(organization_id)
    rows, next_cursor = query_page(
        InvitationRow,
        pk,
        InvitationRow.PREFIX,
        limit=limit,
        cursor=cursor,
        keep=lambda row: not row.to_entity().is_expired,
    )
    return Page(items=[row.to_entity() for row in rows], next_cursor=next_cursor)


def create(caller: Caller, organization_id: UUID, new: NewInvitation) -> SentInvitation:
    """Invite an address and mail the token to it.

    Raises MemberLimitReached, AlreadyInvited, AlreadyMember, EmailNotVerified, DomainNotAllowed, CannotGrant,
    OwnerOnly, RoleNotFound, TooManyInvitations or TooManyAttempts.
    """
    membership.require_current_organization(caller, organization_id)
    organization = _load_organization(organization_id)
    inviter = rules.require_verified_inviter(caller)
    rules.check_domain(organization, new.email)
    rules.require_may_offer(caller, organization_id, new)
    _close_expired(caller, organization_id)
    _require_no_member(organization_id, new.email)
    rules.count_mail_to_address(new.email, organization_id)
    invitation, token = _draft(caller, organization_id, new)
    pk, sk = InvitationRow.at(organization_id, invitation.id)
    row = InvitationRow.of(invitation, pk=pk, sk=sk, token_hash=_hash(token))
    try:
        with table.transaction(caller.actor()) as writes:
            membership.require_active_organization(writes, organization_id)
            writes.create(row)
            writes.create(_build_address_row(row), _build_already_invited())
            membership.take_member_quota(writes, organization)
            rules.count_invitation(writes, organization_id)
            membership.adjust_role_count(writes, organization_id, new.custom_role_id, 1)
    except MemberLimitReached:
        usage.emit_limit_events(organization, "teamMembers", organization.get_plan_limits().max_team_members)
        raise
    _emit_limit_events(organization)
    return _send(row, organization, inviter, token)


def resend(caller: Caller, row: InvitationRow) -> SentInvitation:
    """Send an invitation again with a new token that is valid for seven days; the previous token becomes invalid.

    Whoever resends it gives what it offers, may get to see its token, and is its inviter from then on. Raises
    CannotGrant, OwnerOnly, RoleNotFound, EmailNotVerified, DomainNotAllowed, TooManyInvitations or TooManyAttempts.
    """
    organization_id, invitation_id = UUID(row.organization_id), UUID(row.id)
    rules.require_may_offer(caller, organization_id, row.to_entity())
    organization = _load_organization(organization_id)
    inviter = rules.require_verified_inviter(caller)
    rules.check_domain(organization, row.email)
    rules.count_mail_to_address(row.email, organization_id)
    token = _create_token(organization_id, invitation_id)
    with table.transaction(caller.actor()) as writes:
        renewed = {"token_hash": _hash(token), "expires_at": clock.iso(_compute_expiry())}
        writes.change(row, {**renewed, "invited_by": str(caller.user_id)})
        rules.count_invitation(writes, organization_id)
    return _send(require(organization_id, invitation_id), organization, inviter, token)


def revoke(caller: Caller, organization_id: UUID, invitation_id: UUID, if_match: int | None) -> None:
    """Revoke an invitation. Raises InvitationNotFound."""
    membership.require_current_organization(caller, organization_id)
    row = require(organization_id, invitation_id)
    with table.transaction(caller.actor()) as writes:
        close(writes, row, if_match=if_match)


def close(writes: Transaction, row: InvitationRow, *, if_match: int | None = None) -> None:
    """Delete an invitation that was not accepted; release its address, quota and role."""
    organization_id = UUID(row.organization_id)
    writes.delete(row, if_match=if_match, if_refused=_build_not_found())
    writes.discard(_build_address_row(row))
    membership.release_member_quota(writes, organization_id)
    custom_role_id = row.custom_role_id
    membership.adjust_role_count(
        writes, organization_id, UUID(custom_role_id) if custom_role_id else None, -1
    )


def require(organization_id: UUID, invitation_id: UUID) -> InvitationRow:
    """Return the row of an invitation. Raises InvitationNotFound."""
    return table.require(InvitationRow, InvitationRow.at(organization_id, invitation_id), InvitationNotFound)


def load_by_token(token: str) -> InvitationRow:
    """Return the open invitation of a token.

    Raises InvitationNotFound when the token was used, revoked or replaced, or has expired.
    """
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise _build_not_found() from None
    if len(raw) != 64:
        raise _build_not_found()
    row = table.get(InvitationRow, InvitationRow.at(UUID(bytes=raw[:16]), UUID(bytes=raw[16:32])))
    if row is None or not hmac.compare_digest(row.token_hash, _hash(token)) or row.to_entity().is_expired:
        raise _build_not_found()
    return row


def require_acceptable(row: InvitationRow, email: str) -> Organization:
    """Return the inviting organization, if the user with this address may join it by an invitation now.

    An invitation gives what its inviter could give at this moment. Raises InvitationNotFound for one who could not any
    more, InvitedOtherAddress, DomainNotAllowed or OrganizationNotFound.
    """
    if row.email != email:
        raise InvitedOtherAddress()
    organization = _load_organization(UUID(row.organization_id))
    rules.check_domain(organization, email)
    try:
        rules.require_may_still_offer(row.to_entity())
    except (Unauthenticated, Forbidden, NotFound) as error:
        raise _build_not_found() from error
    return organization


def join(writes: Transaction, row: InvitationRow, user_id: UUID) -> None:
    """Make a user the member that the invitation describes, with its quota and role.

    An ownership is the caller's to count. The transaction raises AlreadyMember.
    """
    organization_id = UUID(row.organization_id)
    membership.require_active_organization(writes, organization_id)
    writes.delete(row, if_refused=_build_not_found())
    writes.discard(_build_address_row(row))
    membership.allow_return(writes, organization_id, row.email)
    writes.create(_build_member(row.to_entity(), user_id), AlreadyMember())


def _build_not_found() -> InvitationNotFound:
    """Return the one error for every token that is of no use, whatever the reason."""
    return InvitationNotFound(
        "This invitation was used, revoked or replaced, has expired, or its sender may not give it any more. "
        "Ask for a new one."
    )


def _build_already_invited() -> AlreadyInvited:
    """Return the AlreadyInvited problem with its advice."""
    return AlreadyInvited("This address has an open invitation. Resend or revoke that one.")


def _require_no_member(organization_id: UUID, email: str) -> None:
    """Raise AlreadyMember when the user with this address is a member.

    An address without an account takes the same reads, so that not even the time tells the inviter which ones have one.
    """
    marker = table.get(EmailRow, EmailRow.at(email))
    if table.get(MemberRow, MemberRow.at(organization_id, marker.user_id if marker else NO_USER_ID)):
        raise AlreadyMember("The user with this address is already a member.")


def _draft(caller: Caller, organization_id: UUID, new: NewInvitation) -> tuple[Invitation, str]:
    """Return a new invitation and its token."""
    moment = clock.now()
    invitation = Invitation(
        id=replay_safe_id(),
        created_at=moment,
        updated_at=moment,
        organization_id=organization_id,
        invited_by=caller.user_id,
        expires_at=_compute_expiry(),
        **{name: getattr(new, name) for name in NewInvitation.model_fields},
    )
    return invitation, _create_token(organization_id, invitation.id)


def _send(row: InvitationRow, organization: Organization, inviter: UserRow, token: str) -> SentInvitation:
    """Mail the token; where the deployment sends no mail, put it into the response instead."""
    message = mails.compose(row, organization, inviter, token)
    if settings.mail_from and mail.send(row.email, *message, of_tenant=True):
        table.touch(row, put={"sent_at": clock.iso(clock.now())})
    values = row.to_entity().model_dump(exclude={"is_expired"})
    return SentInvitation(**values, token=None if settings.mail_from else token)


def _create_token(organization_id: UUID, invitation_id: UUID) -> str:
    """Return a new token: the two IDs and 32 random bytes in base64url."""
    raw = organization_id.bytes + invitation_id.bytes + secrets.token_bytes(32)
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _hash(token: str) -> str:
    """Return the SHA-256 of a token in hex."""
    return hashlib.sha256(token.encode()).hexdigest()


def _compute_expiry() -> datetime:
    """Return the moment at which an invitation that is sent now expires."""
    return clock.now() + timedelta(days=VALID_DAYS)


def _build_member(invitation: Invitation, user_id: UUID) -> MemberRow:
    """Return the row of the user who accepts an invitation now."""
    moment = clock.now()
    member = OrganizationMember(
        id=ids.new_id(),
        created_at=moment,
        updated_at=moment,
        organization_id=invitation.organization_id,
        user_id=user_id,
        role=invitation.role,
        custom_role_id=invitation.custom_role_id,
        permissions=invitation.permissions,
        invited_at=invitation.created_at,
        joined_at=moment,
        invited_by=invitation.invited_by,
    )
    pk, sk = MemberRow.at(member.organization_id, user_id)
    index_keys = {
        "gsi1pk": MemberRow.of_user(user_id),
        "gsi1sk": MemberRow.of_user_order(member.organization_id),
    }
    return MemberRow.of(member, pk=pk, sk=sk, **index_keys)


def _close_expired(caller: Caller, organization_id: UUID) -> None:
    """Release the quota of invitations that expired."""
    pk, _ = OrganizationRow.at(organization_id)
    rows = InvitationRow.query(pk, InvitationRow.sk.startswith(InvitationRow.PREFIX), consistent_read=True)
    for row in [row for row in rows if row.to_entity().is_expired]:
        try:
            with table.transaction(caller.actor()) as writes:
                close(writes, row)
        except InvitationNotFound:
            continue  # another request closed it first


def _emit_limit_events(organization: Organization) -> None:
    """Emit the events of thresholds that the members have reached, unless they are unlimited."""
    if organization.get_plan_limits().max_team_members > 0:
        row = table.get(MemberCountRow, MemberCountRow.at(organization.id))
        usage.emit_limit_events(organization, "teamMembers", int(row.total) if row else 0)


def _build_address_row(row: InvitationRow) -> InvitedAddressRow:
    """Return the marker that reserves the address of an invitation."""
    pk, sk = InvitedAddressRow.at(row.organization_id, row.email)
    return InvitedAddressRow(pk=pk, sk=sk)


def _load_organization(organization_id: UUID) -> Organization:
    """Return an organization. Raises OrganizationNotFound."""
    row = table.require(OrganizationRow, OrganizationRow.at(organization_id), OrganizationNotFound)
    return row.to_entity()
