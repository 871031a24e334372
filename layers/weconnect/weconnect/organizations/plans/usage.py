"""The use that an organization makes of its limits, and the events at 80 and 100 percent of them."""

from typing import NamedTuple
from uuid import UUID

from weconnect import clock, ids, mail
from weconnect.api.caller import Caller
from weconnect.db import table
from weconnect.errors import Conflict
from weconnect.identity import periods
from weconnect.identity.entities import LimitType
from weconnect.log import logger
from weconnect.organizations.entities import LIMIT_THRESHOLDS, LimitEvent, Organization
from weconnect.organizations.errors import OrganizationNotFound
from weconnect.organizations.members import membership
from weconnect.organizations.rows import (
    CountRow,
    LimitEventRow,
    MemberCountRow,
    OrganizationRow,
    UsageRow,
)
from weconnect.organizations.schemas import OrganizationUsage, ResourceUsage
from weconnect.registry_index import QUOTA_KEY_PARTS, QUOTA_LIMIT_FIELDS, QUOTA_NOUNS

RETENTION_SECONDS = 31 * 86_400  # no month is longer, so no event is emitted twice in one
MAX_REMEMBERED = 10_000


class _Threshold(NamedTuple):
    """A threshold of a limit that this process knows to be reached and reported."""

    organization_id: str
    month: str
    resource: str
    percent: int


_reported: set[_Threshold] = set()


def get(caller: Caller, organization_id: UUID) -> OrganizationUsage:
    """Return this month's executions, the number of each resource, their limits, and the events of this month."""
    membership.require_current_organization(caller, organization_id)
    start, end = periods.period_containing(LimitType.MONTHLY, clock.now())
    month = start.strftime("%Y-%m")
    row = table.require(OrganizationRow, OrganizationRow.at(organization_id), OrganizationNotFound)
    organization = row.to_entity()
    pk, prefix = LimitEventRow.of_month(organization_id, month)
    events = LimitEventRow.query(pk, LimitEventRow.sk.startswith(prefix), consistent_read=True)
    return OrganizationUsage(
        month=month,
        period_start=start,
        period_end=end,
        plan=organization.plan,
        resources=measure(organization),
        events=[event.to_entity() for event in events if not table.is_expired(event)],
    )


def measure(organization: Organization) -> list[ResourceUsage]:
    """Return the use of each limit; the counters are read in one call."""
    keys_by_resource = {
        "executions": UsageRow.at(organization.id, _format_current_month()),
        "teamMembers": MemberCountRow.at(organization.id),
        **{resource: CountRow.at(organization.id, part) for resource, part in QUOTA_KEY_PARTS.items()},
    }
    rows_by_key = table.get_many(list(keys_by_resource.values()))
    limits = organization.get_plan_limits()
    usages = []
    for resource, at in keys_by_resource.items():
        used = _get_count(rows_by_key.get(at))
        limit = getattr(limits, QUOTA_LIMIT_FIELDS[resource])
        percent = round(100 * used / limit, 1) if limit > 0 else None
        usages.append(ResourceUsage(resource=resource, used=used, limit=limit, percent=percent))
    return usages


def _get_count(row: table.Row | None) -> int:
    """Return the count in a counter's row; 0 for None and rows of other kinds."""
    match row:
        case UsageRow():
            return int(row.executions)
        case MemberCountRow():
            return int(row.total)
        case CountRow():
            return int(row.count)
        case _:
            return 0


def emit_limit_events(organization: Organization, resource: str, used: int) -> None:
    """Store a `limit.reached` event for each threshold that `used` has reached, and mail the owners; once a month.

    Call it after counting. It never raises: an event that cannot be written is logged.
    """
    limit = getattr(organization.get_plan_limits(), QUOTA_LIMIT_FIELDS[resource])
    if limit <= 0:
        return
    month = _format_current_month()
    for percent in LIMIT_THRESHOLDS:
        threshold = _Threshold(str(organization.id), month, resource, percent)
        if used * 100 < limit * percent or threshold in _reported:
            continue
        try:
            if _store_event(organization.id, month, resource, percent, used, limit):
                _mail_owners(organization, resource, percent, used, limit)
            if len(_reported) > MAX_REMEMBERED:
                _reported.clear()
            _reported.add(threshold)
        except Exception:
            logger.exception("limit event not emitted", resource=resource, percent=percent)


def _store_event(
    organization_id: UUID, month: str, resource: str, percent: int, used: int, limit: int
) -> bool:
    """Store the event; return False when it was stored before."""
    moment = clock.now()
    event = LimitEvent(
        id=ids.new_id(),
        created_at=moment,
        updated_at=moment,
        organization_id=organization_id,
        month=month,
        resource=resource,
        percent=percent,
        used=used,
        limit=limit,
    )
    pk, sk = LimitEventRow.at(organization_id, month, resource, percent)
    row = LimitEventRow.of(event, pk=pk, sk=sk, ttl=clock.epoch_seconds() + RETENTION_SECONDS)
    try:
        table.create(row, {"system": "limits"})
    except Conflict:
        return False
    return True


def _mail_owners(organization: Organization, resource: str, percent: int, used: int, limit: int) -> None:
    """Mail the active owners, at most 50, that `used` of `limit` (`percent` or more) are used."""
    noun = QUOTA_NOUNS[resource]
    hint = "" if percent < 100 else "\n\nNo more can be added until some are removed or the plan is changed."
    rest = f" uses {used} of the {limit} {noun} that its plan {organization.plan} allows.{hint}\n"
    for user in membership.load_active_owners(organization.id):
        # The name is a text that its owner chose, and an address that is not verified may be a stranger's.
        name = organization.name if user.email_verified else "Your organization"
        subject = f"{name}: {percent} % of the {noun} are used"
        mail.send(user.email, subject, f"Hello,\n\n{name}{rest}")


def _format_current_month() -> str:
    """Return the current month in UTC, such as `2026-11`."""
    return clock.now().strftime("%Y-%m")
