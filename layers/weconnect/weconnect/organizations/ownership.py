"""The number of organizations that one user may own, those that they gave up soon after the foundation included.

Each plan limits an organization, so a user with any number of organizations would have any number of each quota, and
one who deletes and founds them again would have each quota anew. A row names those that count for a user. They are
added by the transactions that make the user an owner. Those that the user has lost since, by deletion or to another
owner, count until 30 days after their foundation, and are removed when the row is full.
"""

from uuid import UUID

from weconnect import clock, ids
from weconnect.db import table
from weconnect.db.table import Transaction
from weconnect.identity.entities import UserRole
from weconnect.identity.errors import EmailNotVerified
from weconnect.identity.rows import UserRow
from weconnect.identity.verified_addresses import is_verified
from weconnect.organizations.entities import OrganizationRole
from weconnect.organizations.errors import CannotOwn, OrganizationLimitReached
from weconnect.organizations.rows import MemberRow, OrganizationRow, OwnedOrganizationsRow
from weconnect.settings import settings

FOUNDATION_SECONDS = 30 * 86_400
OWNED_UNVERIFIED = 2


def count_new_owner(
    writes: Transaction, user: UserRow, organization_id: UUID, *, proves_address: bool = False
) -> None:
    """Count an organization for a user who becomes its owner; the transaction raises OrganizationLimitReached.

    `proves_address`: becoming one proves the user's address. Raises CannotOwn, or EmailNotVerified: behind an address
    that nobody proved, an organization could be left to its later holder.
    """
    if user.role in (UserRole.GUEST, UserRole.READONLY):
        raise CannotOwn("The account of the new owner is a guest's or read-only. Name another member.")
    if not (proves_address or is_verified(user)):
        raise EmailNotVerified(
            "The e-mail address of the new owner is not verified. They verify it before they become an owner."
        )
    add(writes, user.id, {str(organization_id)}, prepare(user.id, is_trusted=True))


def prepare(user_id: object, *, is_trusted: bool) -> int:
    """Return how many organizations a user may own, after removing what counts no more from the row if it is full.

    A user without a verified address may own the one that came with the registration, and create one.
    """
    limit = settings.organizations_per_user if is_trusted else OWNED_UNVERIFIED
    counted = _load_counted(user_id)
    if len(counted) >= limit:
        lost = {text for text in counted - _find_owned(user_id, counted) if not _is_young(text)}
        if lost:
            row = OwnedOrganizationsRow(*OwnedOrganizationsRow.at(user_id))
            row.update(actions=[OwnedOrganizationsRow.organization_ids.delete(lost)])
    return limit


def require_may_delete(user: UserRow) -> None:
    """Raise OrganizationLimitReached for a user who has given up as many young organizations as they may own.

    A user who has none gets a personal one when they sign in, whatever the limits, so the deletions are limited.
    """
    limit = settings.organizations_per_user if is_verified(user) else OWNED_UNVERIFIED
    young = {text for text in _load_counted(user.id) if _is_young(text)}
    if len(young) >= limit and len(young - _find_owned(user.id, young)) >= limit:
        raise OrganizationLimitReached(
            f"You gave up {limit} organizations within 30 days after their foundation. Delete this one later."
        )


def add(writes: Transaction, user_id: object, organization_ids: set[str], limit: int) -> None:
    """Count organizations for a user; the transaction raises OrganizationLimitReached above `limit`. Idempotent."""
    pk, sk = OwnedOrganizationsRow.at(user_id)
    verifying = " Verify your e-mail address to own more." if limit == OWNED_UNVERIFIED else ""
    exceeded = OrganizationLimitReached(
        f"A user may own {limit} organizations here. Delete one first; it counts until 30 days after its "
        f"foundation.{verifying}"
    )
    row = OwnedOrganizationsRow(pk=pk, sk=sk)
    writes.add_to_set(row, "organization_ids", organization_ids, limit=limit, if_refused=exceeded)


def _load_counted(user_id: object) -> set[str]:
    """Return the IDs of the organizations in a user's row."""
    row = table.get(OwnedOrganizationsRow, OwnedOrganizationsRow.at(user_id))
    return (row.organization_ids or set()) if row else set()


def _is_young(organization_id: str) -> bool:
    """Return whether an organization was founded within 30 days; its ID has the time."""
    return clock.now().timestamp() - ids.timestamp_of(UUID(organization_id)) < FOUNDATION_SECONDS


def _find_owned(user_id: object, organization_ids: set[str]) -> set[str]:
    """Return those of some organizations that are not in the trash and that the user owns."""
    owned: set[str] = set()
    for organization_id in organization_ids:
        organization_at, member_at = (
            OrganizationRow.at(organization_id),
            MemberRow.at(organization_id, user_id),
        )
        rows_by_key = table.get_many([organization_at, member_at])
        member = rows_by_key.get(member_at)
        is_owner = isinstance(member, MemberRow) and member.role == OrganizationRole.OWNER
        if organization_at in rows_by_key and is_owner:
            owned.add(organization_id)
    return owned
