"""Operations of owners on a whole organization that they cannot take back; each is confirmed (`login.confirmation`)."""

from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.auth.login.confirmation import require_confirmation
from weconnect.auth.schemas import Confirmation, OwnershipTransfer
from weconnect.organizations import deletion
from weconnect.organizations.entities import Member
from weconnect.organizations.members import members, membership


def transfer(caller: Caller, organization_id: UUID, body: OwnershipTransfer) -> Member:
    """Make another member an owner and the caller an admin; return the new owner.

    Raises the errors of `require_confirmation` and `members.transfer_ownership`.
    """
    membership.require_current_organization(caller, organization_id)
    membership.require_owner(caller)
    require_confirmation(caller, body)
    return members.transfer_ownership(caller, organization_id, body.user_id)


def delete_organization(
    caller: Caller, organization_id: UUID, body: Confirmation | None, if_match: int | None, *, purge: bool
) -> None:
    """Move an organization to the trash, from which its owners can restore it; with `purge`, delete it for good.

    Only the purge is confirmed. Raises the errors of `require_confirmation` and `deletion.delete`.
    """
    if purge:
        deletion.require_in_trash(caller, organization_id)
        require_confirmation(caller, body)
    deletion.delete(caller, organization_id, if_match, purge=purge)
