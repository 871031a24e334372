"""What the invited person answers: accept with an account, register with the token, decline."""

from uuid import UUID

from weconnect.api.caller import Caller, RequestInfo
from weconnect.auth.rows import UserRow
from weconnect.db import table
from weconnect.db.table import Transaction
from weconnect.organizations.entities import OrganizationSummary
from weconnect.organizations.invitations import invitations
from weconnect.organizations.members import membership
from weconnect.organizations.rows import InvitationRow, MemberRow
from weconnect.organizations.schemas import InvitationToken


def accept(caller: Caller, body: InvitationToken) -> OrganizationSummary:
    """Join with the token from the mail; the caller's address must be the invited one, and is verified by it."""
    row = invitations.by_token(body.token)
    user = table.need(UserRow, UserRow.at(caller.user_id), "user")
    organization = invitations.check(row, user.email)
    # None of an earlier membership lives on.
    membership.end_keys(caller.actor(), organization.id, caller.user_id)
    with table.transaction(caller.actor() | {"organizationId": str(organization.id)}) as writes:
        invitations.join(writes, row, caller.user_id)
        if not user.email_verified:
            writes.change(user, {"email_verified": True})
    names = ("id", "slug", "name", "logo", "plan", "is_active")
    member = table.need(MemberRow, MemberRow.at(organization.id, caller.user_id), "member")
    values = {name: getattr(organization, name) for name in names}
    return OrganizationSummary(**values, role=member.role, joined_at=member.joined_at)


def decline(body: InvitationToken, request: RequestInfo) -> None:
    """Refuse with the token from the mail."""
    row = invitations.by_token(body.token)
    with table.transaction(request.actor(row.user_id or "-")) as writes:
        invitations.close(writes, row)


class Newcomer:
    """An invitation that somebody registers with: checked before the user is made, taken in the same transaction."""

    def __init__(self, token: str, email: str) -> None:
        self._row: InvitationRow = invitations.by_token(token)
        invitations.check(self._row, email)

    def join(self, writes: Transaction, user_id: UUID) -> None:
        """Make the new user a member."""
        invitations.join(writes, self._row, user_id)
