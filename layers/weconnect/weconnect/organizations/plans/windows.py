"""Counts of what an organization does within a calendar period (UTC), in rows that expire after it."""

from uuid import UUID

from weconnect import clock
from weconnect.db.table import Transaction
from weconnect.errors import LimitReached
from weconnect.identity.entities import LimitType
from weconnect.identity.errors import retry_after
from weconnect.identity.periods import period_containing
from weconnect.organizations.rows import CountRow

_FORMATS = {LimitType.HOURLY: "%Y-%m-%dT%H", LimitType.DAILY: "%Y-%m-%d", LimitType.MONTHLY: "%Y-%m"}
"""How the beginning of a period is written in a key."""


def count(
    writes: Transaction,
    organization_id: UUID,
    resource: str,
    period: LimitType,
    *,
    step: int = 1,
    limit: int,
    exceeded: type[LimitReached],
    detail: str,
) -> None:
    """Count `step` in the current period; the transaction raises `exceeded` above `limit` (-1: none).

    The error's Retry-After is the end of the period.
    """
    start, end = period_containing(period, clock.now())
    ends = int(end.timestamp())
    pk, sk = CountRow.at(organization_id, f"{resource} {start:{_FORMATS[period]}}")
    problem = exceeded(detail, headers=retry_after(ends - clock.epoch_seconds()))
    row = CountRow(pk=pk, sk=sk)
    writes.increment(row, "count", step, limit=limit, if_refused=problem, put={"ttl": ends})
