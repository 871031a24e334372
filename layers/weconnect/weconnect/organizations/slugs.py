"""Slugs, the names of organizations in sign-in addresses: one that was given up is held back for 30 days.

Until then links and sign-ins with the slug of an organization that chose another one, or was deleted, lead to nobody
else; only the same organization takes it again. It takes a new slug a few times a month at most, because each one that
it had is held back; taking one back that is held back for it does not count.
"""

from uuid import UUID

from weconnect import clock
from weconnect.db import table
from weconnect.db.table import Transaction
from weconnect.identity.entities import LimitType
from weconnect.organizations.errors import SlugTaken, TooManySlugChanges
from weconnect.organizations.plans import windows
from weconnect.organizations.rows import SlugRow

HELD_BACK_SECONDS = 30 * 86_400
MAX_CHANGES_A_MONTH = 5


def reserve(writes: Transaction, slug: str, organization_id: UUID) -> None:
    """Reserve a slug for an organization; the transaction raises SlugTaken when it is another one's, or held back."""
    pk, sk = SlugRow.at(slug)
    taken = SlugTaken(f"The slug {slug!r} is taken. Choose another slug.", pointer="/slug")
    row = SlugRow(pk=pk, sk=sk, organization_id=str(organization_id))
    writes.create(row, taken, replaces=SlugRow.organization_id == str(organization_id))


def hold_back(writes: Transaction, slug: str, organization_id: UUID) -> None:
    """Give up the slug of an organization, which alone may take it again within 30 days."""
    pk, sk = SlugRow.at(slug)
    ends = clock.epoch_seconds() + HELD_BACK_SECONDS
    writes.put(SlugRow(pk=pk, sk=sk, organization_id=str(organization_id), ttl=ends))


def change(writes: Transaction, before: str, after: str, organization_id: UUID) -> None:
    """Replace the slug of an organization; the transaction raises SlugTaken or TooManySlugChanges."""
    hold_back(writes, before, organization_id)
    reserve(writes, after, organization_id)
    held_back = table.get(SlugRow, SlugRow.at(after))
    if held_back and held_back.organization_id == str(organization_id):
        return
    windows.count(
        writes,
        organization_id,
        "SLUGS",
        LimitType.MONTHLY,
        limit=MAX_CHANGES_A_MONTH,
        exceeded=TooManySlugChanges,
        detail=f"An organization takes {MAX_CHANGES_A_MONTH} new slugs a month at most. Try again next month, or take "
        "back one that it had within 30 days.",
    )


def find_organization(slug: str) -> UUID | None:
    """Return the ID of the organization that has a slug now; None also for one that is held back."""
    row = table.get(SlugRow, SlugRow.at(slug))
    return UUID(row.organization_id) if row and row.ttl is None else None
