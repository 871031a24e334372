"""The number of organizations that one user may own, and may create in a month.

Each plan limits an organization, so a user with any number of organizations would have any number of each quota. A row
names those that count for a user. They are added by the transactions that make the user an owner; those that the user
has lost since, by deletion or to another owner, are removed when the row is full.
"""

from uuid import UUID

from weconnect import clock
from weconnect.db import table
from weconnect.db.table import Transaction
from weconnect.identity.rows import UserRow
from weconnect.organizations.entities import OrganizationRole
from weconnect.organizations.errors import OrganizationLimitReached
from weconnect.organizations.rows import (
    CreatedOrganizationsRow,
    MemberRow,
    OrganizationRow,
    OwnedOrganizationsRow,
)
from weconnect.settings import settings

RETENTION_SECONDS = 32 * 86_400
CREATED_FOR_EACH_OWNED = 2
OWNED_UNVERIFIED = 2


def prepare(user: UserRow) -> int:
    """Return how many organizations a user may own, after removing lost ones from the row if it is full.

    A user without a verified address may own the one that came with the registration, and create one.
    """
    is_trusted = user.email_verified or not settings.mail_from
    limit = settings.organizations_per_user if is_trusted else OWNED_UNVERIFIED
    row = table.get(OwnedOrganizationsRow, OwnedOrganizationsRow.at(user.id))
    counted = (row.organization_ids or set()) if row else set()
    if row is not None and len(counted) >= limit:
        lost = counted - _find_owned(user.id, counted)
        if lost:
            row.update(actions=[OwnedOrganizationsRow.organization_ids.delete(lost)])
    return limit


def add(writes: Transaction, user_id: object, organization_id: object, limit: int) -> None:
    """Count an organization for a user; the transaction raises OrganizationLimitReached above `limit`. Idempotent."""
    pk, sk = OwnedOrganizationsRow.at(user_id)
    verifying = " Verify your e-mail address to own more." if limit == OWNED_UNVERIFIED else ""
    exceeded = OrganizationLimitReached(
        f"A user may own {limit} organizations here. Delete one first.{verifying}"
    )
    row = OwnedOrganizationsRow(pk=pk, sk=sk)
    writes.add_to_set(row, "organization_ids", str(organization_id), limit=limit, if_refused=exceeded)


def count_created(writes: Transaction, user_id: UUID) -> None:
    """Count a creation in this month, so that deleting and creating again does not begin each quota anew."""
    limit = CREATED_FOR_EACH_OWNED * settings.organizations_per_user
    pk, sk = CreatedOrganizationsRow.at(user_id, f"{clock.now():%Y-%m}")
    exceeded = OrganizationLimitReached(
        f"A user may create {limit} organizations in a month. Try again later."
    )
    expiry = {"ttl": clock.epoch_seconds() + RETENTION_SECONDS}
    row = CreatedOrganizationsRow(pk=pk, sk=sk)
    writes.increment(row, "total", 1, limit=limit, if_refused=exceeded, put=expiry)


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
