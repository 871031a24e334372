"""Exact counters of attempts within a window of time, such as failed sign-ins or mails to one address.

A window begins with its first attempt and ends at the row's `ttl`. Each attempt is one conditional update, so that no
number of attempts at the same time gets past a limit.
"""

import ipaddress
from typing import Any

from pynamodb.exceptions import UpdateError
from pynamodb.expressions.condition import Condition

from weconnect import clock
from weconnect.db.row import Row
from weconnect.identity.email_addresses import normalize_email
from weconnect.identity.rows import AttemptsRow


def count_attempt(at: tuple[str, str], limit: int, seconds: int) -> bool:
    """Add one to the counter at a key; return False when its window of `seconds` holds `limit` attempts already."""
    total, moment = AttemptsRow.total, clock.epoch_seconds()
    ends = moment + seconds
    for _ in range(3):  # the window may end between the two updates
        is_open = total.does_not_exist() | ((total < limit) & (Row.ttl > moment))
        if update_counter(at, None, ends, is_open) or update_counter(at, 1, ends, Row.ttl <= moment):
            return True
    return False


def update_counter(at: tuple[str, str], total: int | None, ends: int, condition: Condition) -> bool:
    """Set a counter to `total` in a window that ends at `ends` (seconds since the epoch), if `condition` holds.

    With None as `total`, add one within the window that there is. Return False when the condition does not hold.
    """
    field = AttemptsRow.total
    actions: list[Any] = [
        field.add(1) if total is None else field.set(total),
        Row.ttl.set(Row.ttl | ends if total is None else ends),
        AttemptsRow.last_at.set(clock.epoch_seconds()),
        AttemptsRow.kind.set(AttemptsRow),
    ]
    try:
        AttemptsRow(pk=at[0], sk=at[1]).update(actions, condition=condition)
    except UpdateError as error:
        if error.cause_response_code != "ConditionalCheckFailedException":
            raise
        return False
    return True


def normalize_account(email: str) -> str:
    """Return an address in the form that accounts have; text that is not an address is only lower-cased."""
    try:
        return normalize_email(email)
    except ValueError:
        return email.strip().lower()


def network_of_ip(ip: str) -> str:
    """Return the IPv4 address itself, or the /64 network of an IPv6 address: one household has a whole one."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else ip
