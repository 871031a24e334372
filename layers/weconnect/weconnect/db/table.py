"""The one table: reading, and the few ways in which a row changes.

Three ways to write: `create` and `change` make a new version under a condition and carry their actor, `touch` moves
counters and stamps without either, and `transaction` joins several under one outcome.
"""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from pynamodb.connection import Connection
from pynamodb.exceptions import PutError, TransactWriteError, UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.transactions import TransactWrite

from weconnect import clock, fault_injection
from weconnect.db.keys import key as key
from weconnect.db.row import Row as Row
from weconnect.errors import Conflict, NotFound, Problem, Stale, Unavailable

TRASH_DAYS = 30
CONFLICT_ATTEMPTS = 12


R = TypeVar("R", bound=Row)


# Reading: always consistent, so that whoever wrote a thing finds it


def get(kind: type[R], at: tuple[str, str]) -> R | None:
    """The row at (pk, sk), or None; an expired one does not count, because TTL removes late."""
    try:
        row = kind.get(*at, consistent_read=True)
    except kind.DoesNotExist:
        return None
    return None if is_expired(row) else row


def need(kind: type[R], at: tuple[str, str], what: str) -> R:
    """The row at (pk, sk); raises NotFound naming `what`."""
    row = get(kind, at)
    if row is None:
        raise NotFound(f"No such {what}", code=f"{what.replace(' ', '_')}_not_found")
    return row


def get_many(keys: list[tuple[str, str]]) -> dict[tuple[str, str], Row]:
    """The rows that exist among at most 100 keys, of any kinds, in one call."""
    found = Row.batch_get(list(dict.fromkeys(keys)), consistent_read=True)
    return {(row.pk, row.sk): row for row in found if not is_expired(row)}


def is_expired(row: Row) -> bool:
    """Whether the row's time to live is over."""
    return row.ttl is not None and row.ttl <= clock.epoch()


# Writing


def create(row: R, actor: dict[str, Any], taken: Problem | None = None) -> R:
    """Put a row that must not exist yet; raises `taken` (409 by default) when it does."""
    _stamp(row, actor)
    fault_injection.point(f"before:put:{row.kind_name()}")
    try:
        row.save(condition=_is_free())
    except PutError as error:
        raise (taken or Conflict("It exists already")) if _refused(error) else error from error
    fault_injection.point(f"after:put:{row.kind_name()}")
    return row


def put(row: Row, actor: dict[str, Any]) -> None:
    """Put a row, whatever was there."""
    _stamp(row, actor)
    row.save()


def change(
    row: R,
    values: dict[str, Any],
    actor: dict[str, Any],
    *,
    if_match: int | None = None,
    condition: Condition | None = None,
) -> R:
    """Set `values` (None removes) as the row's next version.

    Raises Stale when `if_match` is not the row's version, Conflict when somebody else was faster.
    """
    actions, holds = _next_version(row, values, actor, if_match)
    try:
        row.update(actions=actions, condition=holds if condition is None else holds & condition)
    except UpdateError as error:
        raise _lost() if _refused(error) else error from error
    return row


def touch(
    row: Row,
    *,
    add: dict[str, float] | None = None,
    put: dict[str, Any] | None = None,
    condition: Condition | None = None,
) -> bool:
    """Move counters and stamps without a new version; False when the row is gone or `condition` fails."""
    exists = Row.pk.exists()
    try:
        row.update(
            actions=_moves(type(row), add or {}, put or {}),
            condition=exists if condition is None else exists & condition,
        )
    except UpdateError as error:
        if _refused(error):
            return False
        raise
    return True


def expect(row: Row, if_match: int | None) -> None:
    """Raise Stale when `if_match` is not the row's version."""
    if if_match is not None and if_match != row.version:
        raise Stale(f"The version is {row.version}, not {if_match}")


class Transaction:
    """Up to 100 writes that all happen or none does. Each names the problem to raise when it is the one refused."""

    def __init__(self, actor: dict[str, Any]) -> None:
        self.actor = actor
        self._checks: list[tuple[Any, ...]] = []
        self._deletes: list[tuple[Any, ...]] = []
        self._puts: list[tuple[Any, ...]] = []
        self._updates: list[tuple[Any, ...]] = []
        self._changed: list[tuple[Row, dict[str, Any]]] = []

    def check(self, kind: type[Row], at: tuple[str, str], condition: Condition, refused: Problem) -> None:
        self._checks.append((refused, kind, at, condition))

    def create(self, row: Row, taken: Problem | None = None) -> None:
        """Put a row that must not exist."""
        _stamp(row, self.actor)
        self._puts.append((taken or Conflict("It exists already"), row, _is_free()))

    def put(self, row: Row) -> None:
        """Put a row, whatever was there."""
        _stamp(row, self.actor)
        self._puts.append((None, row, None))

    def delete(
        self,
        row: Row,
        *,
        if_match: int | None = None,
        condition: Condition | None = None,
        refused: Problem | None = None,
    ) -> None:
        """Delete a row in the version that was read; a row that was only named by its key must just exist."""
        expect(row, if_match)
        holds = Row.version == row.version if row.created_at else Row.pk.exists()
        self._deletes.append((refused or _lost(), row, holds if condition is None else holds & condition))

    def discard(self, row: Row) -> None:
        """Delete whatever is at the row's key."""
        self._deletes.append((None, row, None))

    def change(
        self,
        row: Row,
        values: dict[str, Any],
        *,
        if_match: int | None = None,
        condition: Condition | None = None,
        refused: Problem | None = None,
    ) -> None:
        """Set `values` as the row's next version; the row in memory has them once the transaction is through."""
        actions, holds = _next_version(row, values, self.actor, if_match)
        self._changed.append((row, values | _stamps(row, self.actor)))
        self._updates.append(
            (refused or _lost(), row, actions, holds if condition is None else holds & condition)
        )

    def touch(self, row: Row, add: dict[str, float], put: dict[str, Any], missing: Problem) -> None:
        """Move counters and stamps of a row without a new version; refused when the row is not there."""
        self._updates.append((missing, row, _moves(type(row), add, put), Row.pk.exists()))

    def count(
        self,
        row: Row,
        field: str,
        step: int,
        *,
        limit: int = -1,
        refused: Problem | None = None,
        put: dict[str, Any] | None = None,
    ) -> None:
        """Add `step` to a counter row, made when missing; refused when it would pass `limit` (-1: none)."""
        counter = getattr(type(row), field)
        condition = (
            (counter.does_not_exist() | (counter <= limit - step)) if step > 0 and limit >= 0 else None
        )
        if condition is not None and limit < step:
            raise refused or Conflict("Limit reached")
        made = Row.created_at.set(Row.created_at | clock.iso(clock.now()))
        actions = [counter.add(step), type(row).kind.set(type(row)), made, *_settings(type(row), put or {})]
        self._updates.append((refused, row, actions, condition))

    def add(self, row: Row, numbers: dict[str, float], put: dict[str, Any]) -> None:
        """Add to several counters of a row, made when missing, and set what `put` says."""
        made = Row.created_at.set(Row.created_at | clock.iso(clock.now()))
        actions = [type(row).kind.set(type(row)), made, *_moves(type(row), numbers, put)]
        self._updates.append((None, row, actions, None))

    def commit(self) -> None:
        """Carry it out; raises the refused write's problem. Writes that merely collided are tried again."""
        order = [*self._checks, *self._deletes, *self._puts, *self._updates]
        if not order:
            return
        for attempt in range(CONFLICT_ATTEMPTS):
            try:
                self._send()
                for row, values in self._changed:
                    row.set(**values)
                return
            except TransactWriteError as error:
                reasons = [reason.code if reason else "None" for reason in error.cancellation_reasons]
                for reason, (problem, *_) in zip(reasons, order, strict=False):
                    if reason == "ConditionalCheckFailed":
                        raise (problem or _lost()) from error
                if not {"TransactionConflict", "ThrottlingError"} & set(reasons) and not _is_conflict(error):
                    raise
                time.sleep(random.uniform(0, 0.02 * 2 ** min(attempt, 6)))
        raise Unavailable("Too many changes to the same thing at once; try again")

    def _send(self) -> None:
        with TransactWrite(connection=_connection()) as write:
            for _, kind, at, condition in self._checks:
                write.condition_check(kind, at[0], at[1], condition)
            for _, row, condition in self._deletes:
                write.delete(row, condition=condition)
            for _, row, condition in self._puts:
                write.save(row, condition=condition)
            for _, row, actions, condition in self._updates:
                write.update(row, actions=list(actions), condition=condition)


@contextmanager
def transaction(actor: dict[str, Any]) -> Iterator[Transaction]:
    """Collect writes and commit them together at the end of the block."""
    writes = Transaction(actor)
    yield writes
    writes.commit()


def trash(
    writes: Transaction,
    row: Row,
    to: tuple[str, str],
    *,
    if_match: int | None = None,
    condition: Condition | None = None,
    refused: Problem | None = None,
) -> Row:
    """Move a head row to the trash, whence it expires after 30 days. Markers and counters are the caller's to move."""
    writes.delete(row, if_match=if_match, condition=condition, refused=refused)
    gone = _copy(row, to, version=row.version + 1, ttl=clock.epoch() + TRASH_DAYS * 86_400)
    gone.set(deleted_at=clock.iso(clock.now()))
    writes.put(gone)
    return gone


def untrash(writes: Transaction, row: Row, to: tuple[str, str], **keys: str) -> Row:
    """Bring a row back from the trash to its place, with its index keys."""
    writes.delete(row)
    back = _copy(row, to, version=row.version + 1, **keys)
    back.set(deleted_at=None)
    writes.create(back)
    return back


def _copy(row: Row, to: tuple[str, str], **more: Any) -> Row:
    names = set(type(row).get_attributes()) - {"pk", "sk", "kind", "ttl", *_INDEX_KEYS}
    values = {name: getattr(row, name) for name in names if getattr(row, name) is not None}
    return type(row)(pk=to[0], sk=to[1], **(values | more))


_INDEX_KEYS = {f"gsi{number}{part}" for number in (1, 2, 3) for part in ("pk", "sk")}


def _stamp(row: Row, actor: dict[str, Any]) -> None:
    moment = clock.iso(clock.now())
    row.created_at = row.created_at or moment
    row.updated_at = moment
    row.actor = actor


def _is_free() -> Condition:
    """Nothing stands there, or only what TTL has not removed yet."""
    free: Condition = Row.pk.does_not_exist() | (Row.ttl <= clock.epoch())
    return free


def _next_version(
    row: Row, values: dict[str, Any], actor: dict[str, Any], if_match: int | None
) -> tuple[list[Any], Condition]:
    expect(row, if_match)
    return _settings(type(row), values | _stamps(row, actor)), Row.version == row.version


def _stamps(row: Row, actor: dict[str, Any]) -> dict[str, Any]:
    return {"version": row.version + 1, "updated_at": clock.iso(clock.now()), "actor": actor}


def _moves(kind: type[Row], add: dict[str, float], put: dict[str, Any]) -> list[Any]:
    return [getattr(kind, name).add(number) for name, number in add.items() if number] + _settings(kind, put)


def _settings(kind: type[Row], values: dict[str, Any]) -> list[Any]:
    return [
        getattr(kind, name).remove() if value is None else getattr(kind, name).set(value)
        for name, value in values.items()
    ]


def _lost() -> Conflict:
    return Conflict("Somebody else changed it at the same time; read it again", code="version_conflict")


def _refused(error: PutError | UpdateError) -> bool:
    return error.cause_response_code == "ConditionalCheckFailedException"


def _is_conflict(error: TransactWriteError) -> bool:
    return error.cause_response_code in ("TransactionInProgressException", "TransactionConflictException")


def _connection() -> Connection:
    """The transactions' connection: the rows'."""
    return Row._get_connection().connection
