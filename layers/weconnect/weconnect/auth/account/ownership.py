"""Operations of owners that they cannot take back: each is confirmed (`login.confirmation`).

They end an organization for good, or make another person an owner, who may then remove them.
"""

from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.auth.errors import ApiKeyNotAllowed
from weconnect.auth.login.confirmation import require_confirmation
from weconnect.auth.schemas import (
    Confirmation,
    ConfirmedInvitation,
    ConfirmedMemberChanges,
    OwnershipTransfer,
)
from weconnect.db import table
from weconnect.identity.errors import UserNotFound
from weconnect.identity.rows import UserRow
from weconnect.organizations import deletion, ownership
from weconnect.organizations.entities import Member, OrganizationRole
from weconnect.organizations.invitations import invitations
from weconnect.organizations.members import members, membership
from weconnect.organizations.schemas import SentInvitation


def transfer(caller: Caller, organization_id: UUID, body: OwnershipTransfer) -> Member:
    """Make another member an owner and the caller an admin; return the new owner.

    Raises the errors of `require_confirmation` and `members.transfer_ownership`.
    """
    membership.require_current_organization(caller, organization_id)
    membership.require_owner(caller)
    require_confirmation(caller, body)
    return members.transfer_ownership(caller, organization_id, body.user_id)


def update_member(
    caller: Caller, organization_id: UUID, user_id: UUID, body: ConfirmedMemberChanges, if_match: int | None
) -> Member:
    """Change a member; making one an owner is confirmed. Raises the errors of `members.update`, too."""
    membership.require_current_organization(caller, organization_id)
    if body.role == OrganizationRole.OWNER:
        _require_confirmed(caller, body)
    return members.update(caller, organization_id, user_id, body, if_match)


def invite(caller: Caller, organization_id: UUID, body: ConfirmedInvitation) -> SentInvitation:
    """Invite a person; offering the ownership is confirmed. Raises the errors of `invitations.create`, too."""
    membership.require_current_organization(caller, organization_id)
    if body.role == OrganizationRole.OWNER:
        _require_confirmed(caller, body)
    return invitations.create(caller, organization_id, body)


def resend_invitation(
    caller: Caller, organization_id: UUID, invitation_id: UUID, body: Confirmation | None
) -> SentInvitation:
    """Send an invitation again; offering the ownership is confirmed. Raises the errors of `invitations.resend`, too."""
    membership.require_current_organization(caller, organization_id)
    row = invitations.require(organization_id, invitation_id)
    if row.role == OrganizationRole.OWNER:
        _require_confirmed(caller, body)
    return invitations.resend(caller, row)


def _require_confirmed(caller: Caller, body: Confirmation | None) -> None:
    """Raise OwnerOnly or ApiKeyNotAllowed, or an error of `require_confirmation`."""
    membership.require_owner(caller)
    if caller.api_key_id:
        raise ApiKeyNotAllowed("API keys make nobody an owner. Sign in as a person.")
    require_confirmation(caller, body)


def delete_organization(
    caller: Caller, organization_id: UUID, body: Confirmation | None, if_match: int | None, *, purge: bool
) -> None:
    """Move an organization to the trash, from which its owners can restore it; with `purge`, delete it for good.

    Only the purge is confirmed. Raises the errors of `require_confirmation` and `deletion.delete`, and
    OrganizationLimitReached.
    """
    if purge:
        deletion.require_in_trash(caller, organization_id)
        require_confirmation(caller, body)
    else:
        ownership.require_may_delete(table.require(UserRow, UserRow.at(caller.user_id), UserNotFound))
    deletion.delete(caller, organization_id, if_match, purge=purge)
