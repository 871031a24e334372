"""Counts of what an organization does within a calendar window (UTC), in rows that expire after it."""

from typing import Literal, NamedTuple
from uuid import UUID

from weconnect import clock
from weconnect.db.table import Transaction
from weconnect.errors import LimitReached
from weconnect.identity.errors import retry_after
from weconnect.organizations.rows import CountRow


class _Window(NamedTuple):
    """A window: how its beginning is written in a key, and its length."""

    format: str
    seconds: int


_WINDOWS = {"hour": _Window("%Y-%m-%dT%H", 3_600), "day": _Window("%Y-%m-%d", 86_400)}


def count(
    writes: Transaction,
    organization_id: UUID,
    resource: str,
    window: Literal["hour", "day"],
    *,
    step: int = 1,
    limit: int,
    exceeded: type[LimitReached],
    detail: str,
) -> None:
    """Count `step` in the current window; the transaction raises `exceeded` above `limit` (-1: none).

    The error's Retry-After is the end of the window.
    """
    seconds = _WINDOWS[window].seconds
    moment = clock.epoch_seconds()
    pk, sk = CountRow.at(organization_id, f"{resource} {clock.now():{_WINDOWS[window].format}}")
    problem = exceeded(detail, headers=retry_after(seconds - moment % seconds))
    expiry = {"ttl": moment + 2 * seconds}
    writes.increment(CountRow(pk=pk, sk=sk), "count", step, limit=limit, if_refused=problem, put=expiry)
