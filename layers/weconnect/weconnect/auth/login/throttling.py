"""How often somebody may try to sign in, and have mails sent.

Five failures within 15 minutes make an account wait at that network address, each further one for twice as long. An
account takes 20 failures an hour from all addresses, and then answers as if the password were wrong; a network address
takes 100 an hour. Failures are counted after the password was looked at, each by one conditional update, and who had
the right one reads the counts again: of any number of tries at once, only as many as there were places learn anything.
Nothing here depends on whether there is an account.
"""

import ipaddress
from dataclasses import dataclass
from typing import Any

from pynamodb.exceptions import UpdateError
from pynamodb.expressions.condition import Condition

from weconnect import clock
from weconnect.auth.entities import normal_email
from weconnect.auth.rows import AttemptsRow
from weconnect.db import table
from weconnect.db.table import Row
from weconnect.errors import LimitReached, Unauthenticated, Unavailable

PAIR_LIMIT, PAIR_SECONDS = 5, 15 * 60
ACCOUNT_LIMIT = 20
NETWORK_LIMIT = 100
HOUR = 3_600
FIRST_WAIT, LONGEST_WAIT = 30, 15 * 60
MAILS_TO_ONE_ADDRESS = 5
MAILS_FROM_ONE_NETWORK = 20
TRIES = 20


@dataclass(frozen=True)
class Attempt:
    """One try to sign in: at which address, from where, and whether the account has places left."""

    email: str
    network: str
    account_open: bool = True

    @property
    def pair(self) -> AttemptsRow:
        return _row(AttemptsRow.at(self.email, self.network))

    @property
    def account(self) -> AttemptsRow:
        return _row(AttemptsRow.at_account(self.email))

    @property
    def of_network(self) -> AttemptsRow:
        return _row(AttemptsRow.at_network(self.network))


def begin(email: str, ip: str) -> Attempt:
    """Look whether a try may be made; raises LimitReached where the address or the network has to wait."""
    return _look(Attempt(account_name(email), network_of(ip)))


def failed(attempt: Attempt) -> None:
    """Count a failure; raises LimitReached when others had taken the last place meanwhile."""
    if not _count(attempt.of_network, NETWORK_LIMIT, HOUR):
        raise _too_many(HOUR)
    _count_pair(attempt.pair)
    _count(attempt.account, ACCOUNT_LIMIT, HOUR)


def passed(attempt: Attempt) -> None:
    """Clear the pair's count after the right password and code; refuse as `begin` would now."""
    if not _look(attempt).account_open:
        raise wrong_credentials()
    attempt.pair.delete()


def wrong_credentials() -> Unauthenticated:
    """The one answer for an unknown address, a wrong password, and an account without places."""
    return Unauthenticated("The address or the password is wrong", code="wrong_credentials")


def take_mail(email: str, ip: str) -> bool:
    """Count a mail that somebody asks for; False when this address gets no more, LimitReached when this network is."""
    if not _count(_row(AttemptsRow.at_mails_from(network_of(ip))), MAILS_FROM_ONE_NETWORK, HOUR):
        raise _too_many(HOUR)
    return take_mail_to(email)


def take_mail_to(email: str) -> bool:
    """Count a mail to an address; False when it gets no more for now."""
    return _count(_row(AttemptsRow.at_mails_to(account_name(email))), MAILS_TO_ONE_ADDRESS, HOUR)


def account_name(email: str) -> str:
    """The address as accounts have it; what is no address stays what it is."""
    try:
        return normal_email(email)
    except ValueError:
        return email.strip().lower()


def network_of(ip: str) -> str:
    """The address, or the /64 of an IPv6 one: a household has that many."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ip
    return str(ipaddress.ip_network((address, 64), strict=False)) if address.version == 6 else ip


def _look(attempt: Attempt) -> Attempt:
    rows = [attempt.pair, attempt.account, attempt.of_network]
    found = table.get_many([(row.pk, row.sk) for row in rows])
    pair, account, network = (_found(found.get((row.pk, row.sk))) for row in rows)
    if network is not None and network.total >= NETWORK_LIMIT:
        raise _too_many(int(network.ttl or 0) - clock.epoch())
    if pair is not None and (left := _wait_of(pair)) > 0:
        raise _too_many(left)
    return Attempt(attempt.email, attempt.network, account is None or account.total < ACCOUNT_LIMIT)


def _found(row: Row | None) -> AttemptsRow | None:
    return row if isinstance(row, AttemptsRow) else None


def _wait_of(pair: AttemptsRow) -> int:
    """Seconds until the next try: none before the limit, then doubling with each failure."""
    if pair.total < PAIR_LIMIT:
        return 0
    wait: int = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(10, int(pair.total) - PAIR_LIMIT))
    return int(pair.last_at or 0) + wait - clock.epoch()


def _count_pair(row: AttemptsRow) -> None:
    """Count a failure of account and address; over the limit, only the first one after each wait counts."""
    for _ in range(TRIES):
        if _count(row, PAIR_LIMIT, PAIR_SECONDS):
            return
        now = table.get(AttemptsRow, (row.pk, row.sk))
        if now is None:
            continue
        if (left := _wait_of(now)) > 0:
            raise _too_many(left)
        again = (AttemptsRow.total == now.total) & (AttemptsRow.last_at == now.last_at)
        if _update(row, int(now.total) + 1, clock.epoch() + PAIR_SECONDS + LONGEST_WAIT, again):
            return
    raise Unavailable("Too many tries at once; try again shortly")


def _count(row: AttemptsRow, limit: int, seconds: int) -> bool:
    """Add one, exactly, in a window that begins with its first count; False when it is full."""
    total, ends, moment = AttemptsRow.total, clock.epoch() + seconds, clock.epoch()
    for _ in range(3):
        inside = total.does_not_exist() | ((total < limit) & (Row.ttl > moment))
        if _update(row, None, ends, inside) or _update(row, 1, ends, Row.ttl <= moment):
            return True
    return False


def _update(row: AttemptsRow, total: int | None, ends: int, condition: Condition) -> bool:
    """Set the count in a window that ends then, or (None) add one in the window that there is."""
    field = AttemptsRow.total
    actions: list[Any] = [
        field.add(1) if total is None else field.set(total),
        Row.ttl.set(Row.ttl | ends if total is None else ends),
        AttemptsRow.last_at.set(clock.epoch()),
        AttemptsRow.kind.set(AttemptsRow),
    ]
    try:
        row.update(actions, condition=condition)
    except UpdateError as error:
        if error.cause_response_code != "ConditionalCheckFailedException":
            raise
        return False
    return True


def _row(at: tuple[str, str]) -> AttemptsRow:
    return AttemptsRow(pk=at[0], sk=at[1])


def _too_many(seconds: int) -> LimitReached:
    wait = max(1, seconds)
    return LimitReached(
        f"Too many tries; the next one is possible in {wait} seconds",
        code="too_many_attempts",
        headers={"Retry-After": str(wait)},
    )
