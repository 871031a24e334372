"""How much of its limits an organization uses, and what happens when 80 and 100 percent are reached."""

from uuid import UUID

from weconnect import clock, ids, mail
from weconnect.api.caller import Caller
from weconnect.auth.entities import LimitType
from weconnect.auth.rows import UserRow
from weconnect.db import table
from weconnect.errors import Conflict
from weconnect.identity import periods
from weconnect.log import logger
from weconnect.organizations.entities import Organization, OrganizationRole
from weconnect.organizations.members import membership
from weconnect.organizations.rows import (
    CountRow,
    EventRow,
    MemberCountRow,
    MemberRow,
    OrganizationRow,
    UsageRow,
)
from weconnect.organizations.schemas import LimitEvent, OrganizationUsage, ResourceUsage

THRESHOLDS = (80, 100)
KEEP_SECONDS = 31 * 86_400  # no month is longer, so nothing is told twice in one
LIMIT_OF = {
    "executions": "max_executions_per_month",
    "teamMembers": "max_team_members",
    "agents": "max_agents",
    "workflows": "max_workflows",
    "credentials": "max_credentials",
}
_COUNTED = {"agents": "AGENT", "workflows": "WORKFLOW", "credentials": "CREDENTIAL"}
_WORDS = {"teamMembers": "members and open invitations", "executions": "executions this month"}

_told: set[tuple[str, str, str, int]] = set()


def get(caller: Caller, organization_id: UUID) -> OrganizationUsage:
    """This month's executions and what there is of each resource, with their limits."""
    membership.require_current(caller, organization_id)
    start, end = periods.of(LimitType.MONTHLY, clock.now())
    month = start.strftime("%Y-%m")
    row = table.need(OrganizationRow, OrganizationRow.at(organization_id), "organization")
    organization: Organization = row.to_entity()
    pk, prefix = EventRow.of_month(organization_id, month)
    events = EventRow.query(pk, EventRow.sk.startswith(prefix), consistent_read=True)
    return OrganizationUsage(
        month=month,
        period_start=start,
        period_end=end,
        plan=organization.plan,
        resources=of(organization),
        events=[event.to_entity() for event in events if not table.is_expired(event)],
    )


def of(organization: Organization) -> list[ResourceUsage]:
    """What is used of each limit, in one call."""
    month = _month()
    places = {
        "executions": UsageRow.at(organization.id, month),
        "teamMembers": MemberCountRow.at(organization.id),
        **{resource: CountRow.at(organization.id, what) for resource, what in _COUNTED.items()},
    }
    fields = {"executions": "executions", "teamMembers": "total"}
    found = table.get_many(list(places.values()))
    limits = organization.get_plan_limits()
    usages = []
    for resource, at in places.items():
        used = int(getattr(found[at], fields.get(resource, "count"))) if at in found else 0
        limit = getattr(limits, LIMIT_OF[resource])
        percent = round(100 * used / limit, 1) if limit > 0 else None
        usages.append(ResourceUsage(resource=resource, used=used, limit=limit, percent=percent))
    return usages


def note(organization: Organization, resource: str, used: int) -> None:
    """Raise `limit.reached` for each threshold that `used` has come to: once a month, with a mail to the owners.

    Whoever counts calls this after he has counted. It never fails him: what cannot be written is logged.
    """
    limit = getattr(organization.get_plan_limits(), LIMIT_OF[resource])
    if limit <= 0:
        return
    month = _month()
    for percent in THRESHOLDS:
        known = (str(organization.id), month, resource, percent)
        if used * 100 < limit * percent or known in _told:
            continue
        try:
            if _raise(organization.id, month, resource, percent, used, limit):
                _mail(organization, resource, percent, used, limit)
            if len(_told) > 10_000:
                _told.clear()
            _told.add(known)
        except Exception:
            logger.exception("limit event not raised", resource=resource, percent=percent)


def _raise(organization_id: UUID, month: str, resource: str, percent: int, used: int, limit: int) -> bool:
    """Write the event; False when somebody did so before."""
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
    pk, sk = EventRow.at(organization_id, month, resource, percent)
    row = EventRow.of(event, pk=pk, sk=sk, ttl=clock.epoch() + KEEP_SECONDS)
    try:
        table.create(row, {"system": "limits"})
    except Conflict:
        return False
    return True


def _mail(organization: Organization, resource: str, percent: int, used: int, limit: int) -> None:
    """Tell the owners."""
    what = _WORDS.get(resource, resource)
    more = "" if percent < 100 else "\n\nNo more can be added until there is room, or the plan is changed."
    text = (
        f"Hello,\n\n{organization.name} uses {used} of the {limit} {what} that its plan {organization.plan}"
        f" allows.{more}\n"
    )
    pk, _ = OrganizationRow.at(organization.id)
    rows = MemberRow.query(pk, MemberRow.sk.startswith(MemberRow.PREFIX), consistent_read=True)
    owners = [row for row in rows if row.role == OrganizationRole.OWNER and row.is_active and row.joined_at]
    for user in table.get_many([UserRow.at(row.user_id) for row in owners[:50]]).values():
        mail.send(user.email, f"{organization.name}: {percent} % of the {what} are used", text)


def _month() -> str:
    return clock.now().strftime("%Y-%m")
