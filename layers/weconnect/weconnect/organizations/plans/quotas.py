"""Quotas of the plan: reserving and releasing the name and the count of a resource that a plan limits."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.db import table
from weconnect.db.table import EntityRow
from weconnect.errors import LimitReached, NameTaken
from weconnect.organizations.entities import LIMIT_THRESHOLDS, Organization
from weconnect.organizations.errors import OrganizationNotFound
from weconnect.organizations.rows import CountRow, NameRow, OrganizationRow
from weconnect.registry_index import QUOTA_KEY_PARTS, QUOTA_LIMIT_FIELDS


@dataclass(frozen=True)
class Quota:
    """A type of resource that a plan limits and counts, declared by the `PlanQuota` of a manifest.

    `resource` is its name there, `noun` has its article, such as `an agent`.
    """

    resource: str
    noun: str
    exceeded: type[LimitReached]

    @property
    def key_part(self) -> str:
        """Return its name in keys of the table."""
        return QUOTA_KEY_PARTS[self.resource]

    @property
    def limit_field(self) -> str:
        """Return the field of PlanLimits."""
        return QUOTA_LIMIT_FIELDS[self.resource]


@contextmanager
def reserve(caller: Caller, quota: Quota, name: str) -> Iterator[table.Transaction]:
    """Yield a transaction that also reserves the name and counts one more resource.

    Emits limit events when a threshold of the quota is reached. Raises NameTaken, or the quota's LimitReached when it
    is used up.
    """
    at, count = OrganizationRow.at(caller.organization_id), _build_count_row(caller.organization_id, quota)
    rows_by_key = table.get_many([at, (count.pk, count.sk)])
    row, counted = rows_by_key.get(at), rows_by_key.get((count.pk, count.sk))
    if not isinstance(row, OrganizationRow):
        raise OrganizationNotFound()
    organization = row.to_entity()
    limit = getattr(organization.get_plan_limits(), quota.limit_field)
    used = int(counted.count) if isinstance(counted, CountRow) else 0
    exceeded = quota.exceeded(f"The plan allows {limit} {quota.resource}. Delete one or change the plan.")
    try:
        with table.transaction(caller.actor()) as writes:
            yield writes
            writes.create(_build_name_row(caller.organization_id, quota, name), NameTaken(quota.noun, name))
            writes.increment(count, "count", 1, limit=limit, if_refused=exceeded)
    except LimitReached:
        _emit_limit_events(organization, quota, limit, limit)
        raise
    _emit_limit_events(organization, quota, used + 1, limit)


def release(writes: table.Transaction, organization_id: UUID, quota: Quota, name: str) -> None:
    """Release the name and the count of a resource that goes to the trash."""
    writes.discard(_build_name_row(organization_id, quota, name))
    writes.increment(_build_count_row(organization_id, quota), "count", -1)


def rename(writes: table.Transaction, organization_id: UUID, quota: Quota, before: str, after: str) -> None:
    """Reserve the new name and release the old one, unless only the case of letters differs. Raises NameTaken."""
    if after.casefold() != before.casefold():
        writes.discard(_build_name_row(organization_id, quota, before))
        writes.create(_build_name_row(organization_id, quota, after), NameTaken(quota.noun, after))


def find_by_name(kind: type[EntityRow[Any]], prefix: tuple[str, str], name: str) -> UUID | None:
    """Return the ID of the row with this name in any case, among those of a partition and sort key prefix."""
    pk, sk_prefix = prefix
    rows: Any = kind.query(pk, kind.sk.startswith(sk_prefix), consistent_read=True)
    return next((UUID(row.id) for row in rows if row.name.casefold() == name.casefold()), None)


def _emit_limit_events(organization: Organization, quota: Quota, used: int, limit: int) -> None:
    """Emit the events of reached thresholds; below the first one nothing is imported. -1 means unlimited."""
    if limit > 0 and used * 100 >= limit * LIMIT_THRESHOLDS[0]:
        from weconnect.organizations.plans import usage  # cold start

        usage.emit_limit_events(organization, quota.resource, used)


def _build_name_row(organization_id: UUID, quota: Quota, name: str) -> NameRow:
    """Return the marker that reserves a name among the resources of a quota."""
    pk, sk = NameRow.at(organization_id, quota.key_part, name)
    return NameRow(pk=pk, sk=sk)


def _build_count_row(organization_id: UUID, quota: Quota) -> CountRow:
    """Return the organization's counter of a quota, with its key alone."""
    pk, sk = CountRow.at(organization_id, quota.key_part)
    return CountRow(pk=pk, sk=sk)
