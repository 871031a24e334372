"""Invitations: an address, a role, a token that was mailed to it, and a place of the plan that is held meanwhile.

The token names organization and invitation and carries 32 random bytes, of which the SHA-256 is kept. It is shown in
the mail and nowhere else, so that whoever has it can read the address's mail: it verifies the address of the user who
accepts with it. Where the deployment sends no mail every address counts as verified anyway, and the token is in the
answer instead, to be handed over by other means.
"""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from weconnect import clock, ids, mail
from weconnect.api.caller import Caller
from weconnect.api.idempotency import new_id
from weconnect.api.pagination import Page, query_page
from weconnect.auth.rows import EmailRow, UserRow
from weconnect.db import table
from weconnect.db.table import Transaction
from weconnect.errors import Conflict, Forbidden, LimitReached, NotFound
from weconnect.organizations.entities import Organization, OrganizationMember
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
from weconnect.organizations.schemas import Invitation, NewInvitation, SentInvitation
from weconnect.settings import settings

DAYS = 7


def find(caller: Caller, organization_id: UUID, *, limit: int, cursor: str | None) -> Page[Invitation]:
    """Invitations that can still be accepted, newest first."""
    membership.require_current(caller, organization_id)
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
    """Invite an address; raises LimitReached `member_limit_reached` when the plan has no place left."""
    membership.require_current(caller, organization_id)
    organization = _organization(organization_id)
    inviter = rules.verified(caller)
    rules.check_domain(organization, new.email)
    rules.check_role(caller, organization_id, new)
    _close_expired(caller, organization_id)
    user_id = _user_at(new.email)
    if user_id and (found := table.get(MemberRow, MemberRow.at(organization_id, user_id))):
        pending = found.to_entity().is_pending
        code, what = ("already_invited", "invited") if pending else ("already_member", "a member")
        raise Conflict(f"This address is {what} already", code=code)
    rules.take_mail(new.email)
    invitation, token = _new(caller, organization_id, new)
    pk, sk = InvitationRow.at(organization_id, invitation.id)
    row = InvitationRow.of(invitation, pk=pk, sk=sk, token_hash=_hash(token), user_id=user_id)
    try:
        with table.transaction(caller.actor()) as writes:
            membership.check_organization(writes, organization_id)
            writes.create(row)
            writes.create(_address(row), Conflict("This address is invited already", code="already_invited"))
            membership.take_place(writes, organization)
            rules.count_mail(writes, organization_id)
            membership.count_role(writes, organization_id, new.custom_role_id, 1)
            if user_id:
                writes.create(_pending(invitation, user_id))
    except LimitReached as error:
        if error.code == "member_limit_reached":
            usage.note(organization, "teamMembers", organization.get_plan_limits().max_team_members)
        raise
    _note_members(organization)
    return _send(row, organization, inviter, token)


def resend(caller: Caller, organization_id: UUID, invitation_id: UUID) -> SentInvitation:
    """Send an invitation again, with a new token that is good for seven days; the one before opens nothing more."""
    membership.require_current(caller, organization_id)
    row = _need(organization_id, invitation_id)
    organization = _organization(organization_id)
    inviter = rules.verified(caller)
    rules.check_domain(organization, row.email)
    rules.take_mail(row.email)
    token = _token(organization_id, invitation_id)
    with table.transaction(caller.actor()) as writes:
        writes.change(row, {"token_hash": _hash(token), "expires_at": clock.iso(_expiry())})
        rules.count_mail(writes, organization_id)
    return _send(_need(organization_id, invitation_id), organization, inviter, token)


def revoke(caller: Caller, organization_id: UUID, invitation_id: UUID, if_match: int | None) -> None:
    """Take an invitation back."""
    membership.require_current(caller, organization_id)
    row = _need(organization_id, invitation_id)
    with table.transaction(caller.actor()) as writes:
        close(writes, row, if_match=if_match)


def close(writes: Transaction, row: InvitationRow, *, if_match: int | None = None) -> None:
    """End an invitation that nobody accepted: its address, its pending member, its place and its role are free."""
    organization_id = UUID(row.organization_id)
    writes.delete(row, if_match=if_match, refused=gone())
    writes.discard(_address(row))
    membership.free_place(writes, organization_id)
    custom = row.custom_role_id
    membership.count_role(writes, organization_id, UUID(custom) if custom else None, -1)
    _drop_pending(writes, row)


def by_token(token: str) -> InvitationRow:
    """The open invitation that a token is for; NotFound when it was used, taken back, sent anew, or is too old."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise gone() from None
    if len(raw) != 64:
        raise gone()
    row = table.get(InvitationRow, InvitationRow.at(UUID(bytes=raw[:16]), UUID(bytes=raw[16:32])))
    if row is None or not hmac.compare_digest(row.token_hash, _hash(token)) or row.to_entity().is_expired:
        raise gone()
    return row


def check(row: InvitationRow, email: str) -> Organization:
    """The inviting organization, if it still takes this address; an invitation is for the one that it was sent to."""
    if row.email != email:
        raise Forbidden("This invitation was sent to another address", code="invited_other_address")
    organization = _organization(UUID(row.organization_id))
    rules.check_domain(organization, email)
    return organization


def join(writes: Transaction, row: InvitationRow, user_id: UUID) -> None:
    """Make a user the member that the invitation speaks of; its place and its role go over to them."""
    organization_id = UUID(row.organization_id)
    membership.check_organization(writes, organization_id)
    writes.delete(row, refused=gone())
    writes.discard(_address(row))
    moment = clock.now()
    present = table.get(MemberRow, MemberRow.at(organization_id, user_id))
    if present is not None and not present.to_entity().is_pending:
        raise Conflict("You are a member already", code="already_member")
    if present is not None:
        writes.change(present, {"joined_at": clock.iso(moment), **_granted(row.to_entity())})
    else:
        member = _pending(row.to_entity(), user_id)
        member.joined_at = clock.iso(moment)
        writes.create(member, Conflict("You are a member already", code="already_member"))
    if row.user_id != str(user_id):
        _drop_pending(writes, row)


def gone() -> NotFound:
    """What every token is told that opens nothing, whatever the reason."""
    return NotFound(
        "This invitation was used, taken back or sent anew, or has expired", code="invitation_not_found"
    )


def _new(caller: Caller, organization_id: UUID, new: NewInvitation) -> tuple[Invitation, str]:
    moment = clock.now()
    invitation = Invitation(
        id=new_id(),
        created_at=moment,
        updated_at=moment,
        organization_id=organization_id,
        invited_by=caller.user_id,
        expires_at=_expiry(),
        **{name: getattr(new, name) for name in NewInvitation.model_fields},
    )
    return invitation, _token(organization_id, invitation.id)


def _send(row: InvitationRow, organization: Organization, inviter: UserRow, token: str) -> SentInvitation:
    """Mail the token; without a mail sender it goes into the answer."""
    if settings.mail_from and mail.send(row.email, *mails.text(row, organization, inviter, token)):
        table.touch(row, put={"sent_at": clock.iso(clock.now())})
    values = row.to_entity().model_dump(exclude={"is_expired"})
    return SentInvitation(**values, token=None if settings.mail_from else token)


def _token(organization_id: UUID, invitation_id: UUID) -> str:
    raw = organization_id.bytes + invitation_id.bytes + secrets.token_bytes(32)
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _expiry() -> datetime:
    return clock.now() + timedelta(days=DAYS)


def _pending(invitation: Invitation, user_id: UUID | str) -> MemberRow:
    """The member that an invitation speaks of, who has not joined yet."""
    member = OrganizationMember(
        id=ids.new_id(),
        created_at=invitation.created_at,
        updated_at=invitation.created_at,
        organization_id=invitation.organization_id,
        user_id=UUID(str(user_id)),
        role=invitation.role,
        custom_role_id=invitation.custom_role_id,
        permissions=invitation.permissions,
        invited_at=invitation.created_at,
        invited_by=invitation.invited_by,
    )
    pk, sk = MemberRow.at(member.organization_id, user_id)
    keys = {
        "gsi1pk": MemberRow.of_user(user_id),
        "gsi1sk": MemberRow.of_user_order(member.organization_id),
    }
    return MemberRow.of(member, pk=pk, sk=sk, **keys)


def _granted(invitation: Invitation) -> dict[str, Any]:
    """What an invitation gives, as a member's row has it: another one may have made the pending member."""
    custom = invitation.custom_role_id
    return {
        "role": invitation.role.value,
        "custom_role_id": str(custom) if custom else None,
        "permissions": invitation.permissions.model_dump(mode="json"),
    }


def _drop_pending(writes: Transaction, row: InvitationRow) -> None:
    """Delete the pending member of an invitation; one who joined by another invitation stays."""
    if row.user_id is None:
        return
    found = table.get(MemberRow, MemberRow.at(row.organization_id, row.user_id))
    if found is not None and found.to_entity().is_pending:
        writes.delete(found, refused=gone())


def _close_expired(caller: Caller, organization_id: UUID) -> None:
    """Give back the places of invitations that nobody answered in time."""
    pk, _ = OrganizationRow.at(organization_id)
    open_ = InvitationRow.query(pk, InvitationRow.sk.startswith(InvitationRow.PREFIX), consistent_read=True)
    for row in [row for row in open_ if row.to_entity().is_expired]:
        try:
            with table.transaction(caller.actor()) as writes:
                close(writes, row)
        except NotFound:
            continue  # somebody else was faster


def _note_members(organization: Organization) -> None:
    if organization.get_plan_limits().max_team_members > 0:
        row = table.get(MemberCountRow, MemberCountRow.at(organization.id))
        usage.note(organization, "teamMembers", int(row.total) if row else 0)


def _user_at(email: str) -> str | None:
    row = table.get(EmailRow, EmailRow.at(email))
    return str(row.user_id) if row else None


def _address(row: Any) -> InvitedAddressRow:
    pk, sk = InvitedAddressRow.at(row.organization_id, row.email)
    return InvitedAddressRow(pk=pk, sk=sk)


def _organization(organization_id: UUID) -> Organization:
    row = table.need(OrganizationRow, OrganizationRow.at(organization_id), "organization")
    return row.to_entity()  # type: ignore[no-any-return]


def _need(organization_id: UUID, invitation_id: UUID) -> InvitationRow:
    return table.need(InvitationRow, InvitationRow.at(organization_id, invitation_id), "invitation")
