"""The one table: reading rows, and the few ways in which a row changes.

There are three ways to write: `create` and `change` make a new version under a condition and record their actor,
`touch` moves counters and timestamps without either, and a `transaction` joins several writes under one outcome.
"""

import functools
import operator
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore.exceptions import ClientError
from pynamodb.connection import Connection
from pynamodb.exceptions import PutError, TransactWriteError, UpdateError
from pynamodb.expressions.condition import Condition, size
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from weconnect import clock, fault_injection
from weconnect.actor import Actor
from weconnect.db.keys import key as key
from weconnect.db.row import EntityRow as EntityRow
from weconnect.db.row import Row as Row
from weconnect.db.row import stored as stored
from weconnect.db.updates import (
    build_absence_condition,
    build_add_actions,
    build_create_actions,
    build_set_actions,
    build_version_values,
    join_conditions,
)
from weconnect.errors import Conflict, NotFound, Problem, StaleVersion, Unavailable, VersionConflict

TRASH_DAYS = 30
MAX_ATTEMPTS = 12

R = TypeVar("R", bound=Row)


# Reading: always consistent, so that a caller reads its own writes


def get(kind: type[R], at: tuple[str, str]) -> R | None:
    """Return the row at (pk, sk), or None. An expired row counts as missing, because TTL removes it late."""
    try:
        row = kind.get(*at, consistent_read=True)
    except kind.DoesNotExist:
        return None
    return None if is_expired(row) else row


def require(kind: type[R], at: tuple[str, str], error: type[NotFound]) -> R:
    """Return the row at (pk, sk); raise `error` when there is none."""
    row = get(kind, at)
    if row is None:
        raise error()
    return row


def get_many(keys: list[tuple[str, str]]) -> dict[tuple[str, str], Row]:
    """Return the existing rows by their keys (pk, sk), of any kinds, in one call. At most 100 keys."""
    rows = Row.batch_get(list(dict.fromkeys(keys)), consistent_read=True)
    return {(row.pk, row.sk): row for row in rows if not is_expired(row)}


def is_expired(row: Row) -> bool:
    """Return whether the row's time to live is over."""
    return row.ttl is not None and row.ttl <= clock.epoch_seconds()


# Writing


def create(row: R, actor: Actor, if_exists: Problem | None = None) -> R:
    """Put a row that must not exist yet. Raises `if_exists` (by default Conflict) when it does."""
    _stamp(row, actor)
    fault_injection.kill_point(f"before:put:{row.kind_name()}")
    try:
        row.save(condition=build_absence_condition())
    except PutError as error:
        raise (if_exists or _build_already_exists()) if _is_condition_failure(error) else error from error
    fault_injection.kill_point(f"after:put:{row.kind_name()}")
    return row


def put(row: Row, actor: Actor) -> None:
    """Put a row, replacing the one at its key."""
    _stamp(row, actor)
    row.save()


def change(
    row: R,
    values: Mapping[str, Any],
    actor: Actor,
    *,
    if_match: int | None = None,
    condition: Condition | None = None,
) -> R:
    """Set `values`, by field name, as the row's next version; None removes a field.

    Raises StaleVersion when `if_match` is not the row's version, and VersionConflict when the row changed since it was
    read or `condition` fails.
    """
    actions, unchanged = _build_next_version(row, values, actor, if_match)
    try:
        row.update(actions=actions, condition=join_conditions(unchanged, condition))
    except UpdateError as error:
        raise VersionConflict() if _is_condition_failure(error) else error from error
    return row


def touch(
    row: Row,
    *,
    add: Mapping[str, float] | None = None,
    put: Mapping[str, Any] | None = None,
    condition: Condition | None = None,
) -> bool:
    """Add to counters and set fields without a new version; return False when the row is gone or `condition` fails."""
    try:
        row.update(
            actions=build_add_actions(type(row), add or {}) + build_set_actions(type(row), put or {}),
            condition=join_conditions(Row.pk.exists(), condition),
        )
    except UpdateError as error:
        if _is_condition_failure(error):
            return False
        raise
    return True


def check_version(row: Row, if_match: int | None) -> None:
    """Raise StaleVersion when `if_match` is not the row's version."""
    if if_match is not None and if_match != row.version:
        raise StaleVersion(f"The version is {row.version}, not {if_match}. Read the resource again.")


@dataclass(frozen=True)
class _Write:
    """A write of a transaction: what sends it, and the problem to raise when its condition fails."""

    send: Callable[[TransactWrite], None]
    if_refused: Problem | None = None


class Transaction:
    """Up to 100 writes that all happen or none does.

    Each write takes the problem to raise when its condition is the one that fails; by default VersionConflict.
    """

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self._checks: list[_Write] = []
        self._deletes: list[_Write] = []
        self._puts: list[_Write] = []
        self._updates: list[_Write] = []
        self._changes: list[tuple[Row, Mapping[str, Any]]] = []

    def check(self, kind: type[Row], at: tuple[str, str], condition: Condition, if_refused: Problem) -> None:
        """Require a condition of a row that is not written."""
        self._checks.append(_Write(lambda write: write.condition_check(kind, *at, condition), if_refused))

    def create(
        self, row: Row, if_exists: Problem | None = None, *, replaces: Condition | None = None
    ) -> None:
        """Put a row that must not exist, unless `replaces` holds for the one that does."""
        _stamp(row, self.actor)
        missing = build_absence_condition()
        if replaces is not None:
            missing |= replaces
        self._puts.append(
            _Write(lambda write: write.save(row, missing), if_exists or _build_already_exists())
        )

    def put(self, row: Row) -> None:
        """Put a row, replacing the one at its key."""
        _stamp(row, self.actor)
        self._puts.append(_Write(lambda write: write.save(row)))

    def delete(
        self,
        row: Row,
        *,
        if_match: int | None = None,
        condition: Condition | None = None,
        if_refused: Problem | None = None,
    ) -> None:
        """Delete a row in the version that was read; a row that was built from its key alone must just exist."""
        check_version(row, if_match)
        unchanged = join_conditions(
            Row.version == row.version if row.created_at else Row.pk.exists(), condition
        )
        self._deletes.append(_Write(lambda write: write.delete(row, unchanged), if_refused))

    def discard(self, row: Row) -> None:
        """Delete the row at the key of `row`, whether it exists or not."""
        self._deletes.append(_Write(lambda write: write.delete(row)))

    def change(
        self,
        row: Row,
        values: Mapping[str, Any],
        *,
        if_match: int | None = None,
        condition: Condition | None = None,
        if_refused: Problem | None = None,
    ) -> None:
        """Set `values` as the row's next version; the row in memory has them after the commit."""
        actions, unchanged = _build_next_version(row, values, self.actor, if_match)
        self._changes.append((row, {**values, **build_version_values(row, self.actor)}))
        self.update(row, actions, join_conditions(unchanged, condition), if_refused)

    def touch(self, row: Row, add: Mapping[str, float], put: Mapping[str, Any], if_missing: Problem) -> None:
        """Add to counters and set fields of a row without a new version. The row must exist."""
        actions = build_add_actions(type(row), add) + build_set_actions(type(row), put)
        self.update(row, actions, Row.pk.exists(), if_missing)

    def increment(
        self,
        row: Row,
        field: str,
        step: int,
        *,
        limit: int = -1,
        if_refused: Problem | None = None,
        put: Mapping[str, Any] | None = None,
    ) -> None:
        """Add `step` to a counter, creating its row when it is missing. The sum must not pass `limit` (-1: none)."""
        counter = getattr(type(row), field)
        condition = None
        if step > 0 and limit >= 0:
            if limit < step:
                raise if_refused or Conflict("The limit is reached")
            condition = counter.does_not_exist() | (counter <= limit - step)
        actions = [*build_create_actions(row), counter.add(step), *build_set_actions(type(row), put or {})]
        self.update(row, actions, condition, if_refused)

    def add_to_set(self, row: Row, field: str, texts: set[str], *, limit: int, if_refused: Problem) -> None:
        """Add texts to a set, creating its row when it is missing; above `limit` members (-1: none) it is refused.

        Idempotent: texts that are all there already need no room.
        """
        if 0 <= limit < len(texts):
            raise if_refused
        members = getattr(type(row), field)
        condition = None
        if limit >= 0:
            count = size(members)  # type: ignore[no-untyped-call]
            are_present = functools.reduce(operator.and_, (members.contains(text) for text in texts))
            condition = are_present | members.does_not_exist() | (count <= limit - len(texts))
        self.update(row, [*build_create_actions(row), members.add(texts)], condition, if_refused)

    def increment_all(self, row: Row, numbers: Mapping[str, float], put: Mapping[str, Any]) -> None:
        """Add to several counters of a row, creating it when it is missing, and set the fields in `put`."""
        actions = [
            *build_create_actions(row),
            *build_add_actions(type(row), numbers),
            *build_set_actions(type(row), put),
        ]
        self.update(row, actions, None, None)

    def update(
        self, row: Row, actions: Sequence[Action], condition: Condition | None, if_refused: Problem | None
    ) -> None:
        """Update a row, creating it when it is missing, by PynamoDB's actions and under its condition, if any."""
        self._updates.append(
            _Write(lambda write: write.update(row, actions=[*actions], condition=condition), if_refused)
        )

    def commit(self, attempts: int = MAX_ATTEMPTS) -> None:
        """Execute the writes; raise the problem of the one whose condition fails. Mere collisions are retried.

        Raises Unavailable when the rows are changed too often at the same time.
        """
        # DynamoDB gives its reasons in the order in which PynamoDB sends the writes.
        writes = [*self._checks, *self._deletes, *self._puts, *self._updates]
        if not writes:
            return
        for attempt in range(attempts):
            try:
                self._send(writes)
                for row, values in self._changes:
                    row.set(**values)
                return
            except TransactWriteError as error:
                if not isinstance(error.cause, ClientError):  # without a response it may have been executed
                    raise Unavailable("The table does not respond. Try again shortly.") from error
                reasons = [reason.code if reason else "None" for reason in error.cancellation_reasons]
                for reason, write in zip(reasons, writes, strict=False):
                    if reason == "ConditionalCheckFailed":
                        raise (write.if_refused or VersionConflict()) from error
                if not {"TransactionConflict", "ThrottlingError"} & set(reasons) and not _is_collision(error):
                    raise
                time.sleep(random.uniform(0, 0.02 * 2 ** min(attempt, 6)))
        raise Unavailable("The resource is changed too often at the same time. Try again shortly.")

    def _send(self, writes: list[_Write]) -> None:
        """Execute these writes as one transaction of DynamoDB."""
        with TransactWrite(connection=_connection()) as request:
            for write in writes:
                write.send(request)


@contextmanager
def transaction(actor: Actor) -> Iterator[Transaction]:
    """Collect writes and commit them together at the end of the block."""
    writes = Transaction(actor)
    yield writes
    writes.commit()


def move_to_trash(
    writes: Transaction,
    row: R,
    to: tuple[str, str],
    *,
    if_match: int | None = None,
    condition: Condition | None = None,
    if_refused: Problem | None = None,
) -> R:
    """Move a row to the trash at key `to`, where it expires after 30 days; return it as it is there.

    Marker and counter rows that belong to it are the caller's to move.
    """
    writes.delete(row, if_match=if_match, condition=condition, if_refused=if_refused)
    trashed = _copy(row, to, version=row.version + 1, ttl=clock.epoch_seconds() + TRASH_DAYS * 86_400)
    trashed.set(deleted_at=clock.iso(clock.now()))
    writes.put(trashed)
    return trashed


def restore_from_trash(writes: Transaction, row: R, to: tuple[str, str], **index_keys: str | None) -> R:
    """Move a row from the trash back to key `to`, with its index keys; return it as it is there."""
    writes.delete(row)
    restored = _copy(row, to, version=row.version + 1, **index_keys)
    restored.set(deleted_at=None)
    writes.create(restored)
    return restored


_INDEX_KEYS = {f"gsi{number}{part}" for number in (1, 2, 3) for part in ("pk", "sk")}


def _copy(row: R, to: tuple[str, str], **values: Any) -> R:
    """Return a copy of a row at key `to`, without `ttl` and index keys; `values` add or replace fields."""
    names = set(type(row).get_attributes()) - {"pk", "sk", "kind", "ttl", *_INDEX_KEYS}
    copied = {name: getattr(row, name) for name in names if getattr(row, name) is not None}
    return type(row)(pk=to[0], sk=to[1], **(copied | values))


def _stamp(row: Row, actor: Actor) -> None:
    """Set the row's times and its actor in memory; a time of creation that it has stays."""
    moment = clock.iso(clock.now())
    row.created_at = row.created_at or moment
    row.updated_at = moment
    row.actor = actor


def _build_next_version(
    row: Row, values: Mapping[str, Any], actor: Actor, if_match: int | None
) -> tuple[list[Action], Condition]:
    """Return the updates that make `values` the next version, and the condition that nobody else made it."""
    check_version(row, if_match)
    actions = build_set_actions(type(row), {**values, **build_version_values(row, actor)})
    return actions, Row.version == row.version


def _build_already_exists() -> Conflict:
    """Return the Conflict problem for a row that exists already."""
    return Conflict("It already exists")


def _is_condition_failure(error: PutError | UpdateError) -> bool:
    """Return whether a write failed because its condition does not hold."""
    return error.cause_response_code == "ConditionalCheckFailedException"


def _is_collision(error: TransactWriteError) -> bool:
    """Return whether a transaction failed because another one held a row, so that it may be repeated."""
    return error.cause_response_code in ("TransactionInProgressException", "TransactionConflictException")


def _connection() -> Connection:
    """Return the connection of the rows, which transactions share."""
    return Row._get_connection().connection
