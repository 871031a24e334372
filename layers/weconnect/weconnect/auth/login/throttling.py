"""Limits on attempts to sign in.

Five failures within 15 minutes make an account wait at that network, and each further failure doubles the wait. An
account takes 20 failures an hour from all networks in which nobody signed in to it before, and then responds there as
if the password were wrong; a network takes 100 an hour. A network in which somebody did sign in, within 90 days, is
known to the account: its 20 failures an hour are counted apart, so that nobody locks the account's user out from
elsewhere. A reset by mail forgets the failures of its account, and its known networks but for its own. Failures are
counted after the password was checked, each by one conditional update, and an attempt with the right password reads the
counters again: of any number of attempts at the same time, only as many as the limits allow learn anything. Nothing
here depends on whether there is an account.
"""

from dataclasses import dataclass, replace

from weconnect import clock
from weconnect.auth.errors import WrongCredentials
from weconnect.db import table
from weconnect.db.row import Row
from weconnect.errors import Unavailable
from weconnect.identity.attempt_counters import (
    count_attempt,
    network_of_ip,
    normalize_account,
    update_counter,
)
from weconnect.identity.errors import TooManyAttempts, retry_after
from weconnect.identity.rows import AttemptsRow

PAIR_LIMIT, PAIR_SECONDS = 5, 15 * 60
ACCOUNT_LIMIT = 20
NETWORK_LIMIT = 100
HOUR_SECONDS = 3_600
KNOWN_SECONDS = 90 * 86_400
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 30, 15 * 60
MAX_UPDATE_TRIES = 20

Key = tuple[str, str]


@dataclass(frozen=True)
class Attempt:
    """One attempt to sign in: the account, the network, and whether the account has failures left this hour.

    `is_known`: somebody signed in to the account from this network before.
    """

    email: str
    network: str
    is_account_open: bool = True
    is_known: bool = False

    @property
    def pair_key(self) -> Key:
        """Return the key of the failures of this account at this network."""
        return AttemptsRow.at(self.email, self.network)

    @property
    def known_key(self) -> Key:
        """Return the key of the marker of an account's known network."""
        return AttemptsRow.at_known(self.email, self.network)

    @property
    def own_key(self) -> Key:
        """Return the key of the hour's failures of this account at this network, if it is known."""
        return AttemptsRow.at_own(self.email, self.network)

    @property
    def account_key(self) -> Key:
        """Return the key of the failures of this account from all networks that are not known to it."""
        return AttemptsRow.at_account(self.email)

    @property
    def network_key(self) -> Key:
        """Return the key of the failures of all accounts from this network."""
        return AttemptsRow.at_network(self.network)


def begin_attempt(email: str, ip: str) -> Attempt:
    """Return an attempt to sign in; raise TooManyAttempts when the account or the network has to wait."""
    return _check_counters(Attempt(normalize_account(email), network_of_ip(ip)))


def record_failure(attempt: Attempt) -> None:
    """Count a failed attempt; raise TooManyAttempts when others used up the limit in the meantime."""
    if not count_attempt(attempt.network_key, NETWORK_LIMIT, HOUR_SECONDS):
        raise _build_too_many_attempts(HOUR_SECONDS)
    _count_pair_failure(attempt.pair_key)
    # One counter either way, so that the work is the same for an account and for none.
    is_own = attempt.is_known or not attempt.is_account_open
    count_attempt(attempt.own_key if is_own else attempt.account_key, ACCOUNT_LIMIT, HOUR_SECONDS)


def record_success(attempt: Attempt) -> None:
    """Clear the failures of this account at this network, after the right password and code, and know the network.

    Raises WrongCredentials or TooManyAttempts when the limits were used up in the meantime.
    """
    if not _check_counters(attempt).is_account_open:
        raise WrongCredentials()
    pk, sk = attempt.pair_key
    AttemptsRow(pk=pk, sk=sk).delete()
    know_network(attempt.email, attempt.network)


def start_anew(email: str, ip: str) -> None:
    """Forget an account's failures and known networks, after its holder proved the address by a mail at `ip`.

    Whoever had the old password, or registered with the address, may have made networks known; that of `ip` is.
    """
    pk, account_sk = AttemptsRow.at_account(email)
    prefixes = tuple(at(email, "")[1] for at in (AttemptsRow.at, AttemptsRow.at_own, AttemptsRow.at_known))
    for row in AttemptsRow.query(pk, consistent_read=True):
        if row.sk == account_sk or row.sk.startswith(prefixes):
            row.delete()
    know_network(email, network_of_ip(ip))


def know_network(email: str, network: str) -> None:
    """Remember that the holder of a normalized address signed in from a network (`network_of_ip`)."""
    pk, sk = AttemptsRow.at_known(email, network)
    AttemptsRow(pk=pk, sk=sk, ttl=clock.epoch_seconds() + KNOWN_SECONDS).save()


def _check_counters(attempt: Attempt) -> Attempt:
    """Return the attempt with `is_account_open` read again; raise TooManyAttempts when it has to wait."""
    keys = [attempt.pair_key, attempt.account_key, attempt.network_key, attempt.known_key, attempt.own_key]
    rows = table.get_many(keys)
    is_known = attempt.known_key in rows
    account_key = attempt.own_key if is_known else attempt.account_key
    pair = _to_attempts_row(rows.get(attempt.pair_key))
    account, network = (
        _to_attempts_row(rows.get(account_key)),
        _to_attempts_row(rows.get(attempt.network_key)),
    )
    if network is not None and network.total >= NETWORK_LIMIT:
        raise _build_too_many_attempts((network.ttl or 0) - clock.epoch_seconds())
    if pair is not None and (wait_seconds := _compute_remaining_wait(pair)) > 0:
        raise _build_too_many_attempts(wait_seconds)
    is_account_open = account is None or account.total < ACCOUNT_LIMIT
    return replace(attempt, is_account_open=is_account_open, is_known=is_known)


def _to_attempts_row(row: Row | None) -> AttemptsRow | None:
    """Return the row if it is an AttemptsRow, else None."""
    return row if isinstance(row, AttemptsRow) else None


def _compute_remaining_wait(pair: AttemptsRow) -> int:
    """Return the seconds until the next attempt, 0 or less for now; beyond the limit each failure doubles them."""
    if pair.total < PAIR_LIMIT:
        return 0
    wait_seconds: int = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** min(10, pair.total - PAIR_LIMIT))
    return (pair.last_at or 0) + wait_seconds - clock.epoch_seconds()


def _count_pair_failure(at: Key) -> None:
    """Count a failure of account and network; above the limit, only the first one after each wait counts."""
    for _ in range(MAX_UPDATE_TRIES):
        if count_attempt(at, PAIR_LIMIT, PAIR_SECONDS):
            return
        row = table.get(AttemptsRow, at)
        if row is None:
            continue
        if (wait_seconds := _compute_remaining_wait(row)) > 0:
            raise _build_too_many_attempts(wait_seconds)
        is_unchanged = (AttemptsRow.total == row.total) & (AttemptsRow.last_at == row.last_at)
        ends = clock.epoch_seconds() + PAIR_SECONDS + LONGEST_WAIT_SECONDS
        if update_counter(at, row.total + 1, ends, is_unchanged):
            return
    raise Unavailable("Too many attempts at the same time. Try again shortly.")


def _build_too_many_attempts(seconds: int) -> TooManyAttempts:
    """Return the TooManyAttempts problem with a Retry-After of `seconds`, at least one."""
    wait_seconds = max(1, seconds)
    return TooManyAttempts(
        f"Too many attempts. Try again in {wait_seconds} seconds.", headers=retry_after(wait_seconds)
    )
