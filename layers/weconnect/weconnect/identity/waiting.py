"""Callers that wait: how many may do so at once, so that those of one organization do not take all functions.

Whoever waits holds a function of the deployment: for an execution, or for the server of a tenant that a request calls.
An organization may have as many waiting callers as are left for the others, at most as its plan allows; and the last
fifth of the deployment's total goes to organizations that have none yet, one each. Waiting is a preference (RFC 7240):
beyond its share a request is answered at once, and one that cannot do without it is refused.

A lease is one unit in two rows, of the organization and of the deployment, in the interval in which it expires, so one
whose process was killed ends by itself. It is added before the sums are looked at and taken back when they are too
high, so the total is never exceeded. Taking and returning a lease are two updates each.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from weconnect import clock, remaining_time
from weconnect.db import counters
from weconnect.errors import Unavailable
from weconnect.identity import keys, request_limits
from weconnect.identity.errors import TooManyWaiting
from weconnect.identity.rows import WaitingRow
from weconnect.log import logger
from weconnect.settings import settings

INTERVAL_SECONDS = 5
SLACK_SECONDS = 5  # what a request does before and after it waits
KEEP_SECONDS = 3_600
RETRY_SECONDS = 2
RESERVED_PART = 5

_was_refused: ContextVar[bool] = ContextVar("was_refused", default=False)


@contextmanager
def hold_lease(organization_id: UUID, seconds: float) -> Iterator[float]:
    """Yield for how many seconds a caller may wait now: none, or as many as asked, if the function has as much time.

    Return the lease afterwards.
    """
    granted = min(seconds, remaining_time.get_seconds())
    lease = _take(organization_id, granted) if granted > 0 else None
    _was_refused.set(seconds > 0 and lease is None)
    try:
        yield granted if lease else 0
    finally:
        if lease:
            _return(organization_id, lease)


@contextmanager
def require_lease(organization_id: UUID, seconds: float) -> Iterator[None]:
    """Hold a lease for a request that cannot do without waiting. Raises TooManyWaiting."""
    with hold_lease(organization_id, seconds) as granted:
        if not granted:
            raise TooManyWaiting(
                "Too many requests of this organization wait at the same time. Try again when one has ended.",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )
        yield


def build_headers(seconds: int) -> dict[str, str]:
    """Return the headers that answer a request's preference to wait: it was applied, or when to ask again."""
    if not seconds:
        return {}
    return (
        {"Retry-After": str(RETRY_SECONDS)}
        if _was_refused.get()
        else {"Preference-Applied": f"wait={seconds}"}
    )


def _take(organization_id: UUID, seconds: float) -> int | None:
    """Return the interval of a new lease, or None when the organization has its share, or nobody can tell."""
    interval = int(clock.epoch_seconds() + seconds + SLACK_SECONDS) // INTERVAL_SECONDS + 1
    own_row, all_row = WaitingRow.of_organization(organization_id), WaitingRow.of_deployment()
    taken = []
    try:
        own = _add(own_row, interval, 1)
        taken.append(own_row)
        if own == 1 or own <= _read_limit(organization_id, own):
            everyone = _add(all_row, interval, 1)
            taken.append(all_row)
            if _is_within_share(own, everyone, settings.max_waiting_callers):
                return interval
    except Unavailable:
        logger.warning("lease not taken", exc_info=True)
    for at in taken:
        _subtract(at, interval)
    return None


def _is_within_share(own: int, everyone: int, total: int) -> bool:
    """Return whether an organization may have its lease number `own` while `everyone` has as many, this one included.

    Its first may be any of the total; a further one leaves a fifth of that, and as many as the organization has.
    """
    if own == 1:
        return everyone <= total
    return own <= total - everyone and everyone <= total - total // RESERVED_PART


def _read_limit(organization_id: UUID, own: int) -> int:
    """Return how many leases the plan of an organization allows; the plan is read when a free one has fewer than own.

    Raises Unavailable.
    """
    smallest = request_limits.MAX_WAITING_CALLERS[0]
    if own <= smallest:
        return smallest
    plan = counters.read_item(keys.organization(organization_id)).get("plan", {}).get("S", "")
    return request_limits.choose_waiting_callers(plan)


def _return(organization_id: UUID, interval: int) -> None:
    """Take a lease back."""
    _subtract(WaitingRow.of_organization(organization_id), interval)
    _subtract(WaitingRow.of_deployment(), interval)


def _subtract(at: tuple[str, str], interval: int) -> None:
    """Take a unit back from a row; what cannot be taken back expires."""
    try:
        _add(at, interval, -1)
    except Unavailable:
        logger.warning("lease not returned; it expires", exc_info=True)


def _add(at: tuple[str, str], interval: int, units: int) -> int:
    """Add units to an interval of a row and return how many leases of the row have not expired. Raises Unavailable."""
    now = clock.epoch_seconds()
    values: dict[str, counters.CounterValue] = {
        ":kind": WaitingRow.kind_name(),
        ":ttl": now + KEEP_SECONDS,
        ":units": units,
    }
    request = counters.update_request(at, f"SET kind = :kind, #ttl = :ttl ADD t{interval} :units", values)
    item = _send(request)
    leases = {int(name[1:]): counters.get_number(item, name) for name in item if name[1:].isdigit()}
    expired = [each for each in leases if each * INTERVAL_SECONDS < now]
    if units < 0 and expired:
        names = ", ".join(f"t{each}" for each in expired[:100])
        _send(counters.update_request(at, f"SET #ttl = :ttl REMOVE {names}", {":ttl": now + KEEP_SECONDS}))
    return sum(number for each, number in leases.items() if each not in expired)


def _send(request: dict[str, Any]) -> dict[str, Any]:
    """Send an update and return the item as it is then, in DynamoDB's JSON."""
    names = {"ExpressionAttributeNames": {"#ttl": "ttl"}, "ReturnValues": "ALL_NEW"}
    item: dict[str, Any] = counters.send_update(request | names)["Attributes"]
    return item
