"""Acceptance of invitations: with an account, by registering with the token, or declining."""

from uuid import UUID

from weconnect.api.caller import Caller, RequestInfo
from weconnect.db import table
from weconnect.db.table import Transaction
from weconnect.identity.errors import UserNotFound
from weconnect.identity.rows import UserRow
from weconnect.organizations import ownership, service
from weconnect.organizations.entities import OrganizationRole, OrganizationSummary
from weconnect.organizations.errors import AlreadyMember, MemberNotFound
from weconnect.organizations.invitations import invitations
from weconnect.organizations.members import membership
from weconnect.organizations.rows import InvitationRow, MemberRow
from weconnect.organizations.schemas import InvitationToken


def accept(caller: Caller, body: InvitationToken) -> OrganizationSummary:
    """Make the caller a member with the token from the mail, which also verifies their e-mail address.

    Raises InvitationNotFound, InvitedOtherAddress, DomainNotAllowed, AlreadyMember, or, for an owner, CannotOwn or
    OrganizationLimitReached.
    """
    row = invitations.load_by_token(body.token)
    user = table.require(UserRow, UserRow.at(caller.user_id), UserNotFound)
    organization = invitations.require_acceptable(row, user.email)
    at = MemberRow.at(organization.id, caller.user_id)
    if table.get(MemberRow, at):
        raise AlreadyMember()
    # API keys of an earlier membership must not become valid again.
    membership.revoke_api_keys(caller.actor(), organization.id, caller.user_id)
    with table.transaction(caller.actor() | {"organizationId": str(organization.id)}) as writes:
        invitations.join(writes, row, caller.user_id)
        if row.role == OrganizationRole.OWNER:
            ownership.count_new_owner(writes, user, organization.id, proves_address=True)
        if not user.email_verified:
            writes.change(user, {"email_verified": True})
    return service.summarize(organization, table.require(MemberRow, at, MemberNotFound))


def decline(body: InvitationToken, request: RequestInfo) -> None:
    """Close the invitation of a token. Raises InvitationNotFound."""
    row = invitations.load_by_token(body.token)
    with table.transaction(request.actor("-")) as writes:
        invitations.close(writes, row)


class InvitedRegistration:
    """An invitation used for registering: checked before the user is created, accepted in the same transaction."""

    def __init__(self, token: str, email: str) -> None:
        self._row: InvitationRow = invitations.load_by_token(token)
        invitations.require_acceptable(self._row, email)

    @property
    def owned_ids(self) -> set[str]:
        """Return the ID of the organization, if the invitation makes the new user its owner."""
        return {self._row.organization_id} if self._row.role == OrganizationRole.OWNER else set()

    def join(self, writes: Transaction, user_id: UUID) -> None:
        """Make the new user a member; `owned_ids` are the caller's to count."""
        invitations.join(writes, self._row, user_id)
