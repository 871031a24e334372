"""Executions: read, wait for, list and cancel those of any kind; pause, resume and delete those of workflows."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from pydantic import BaseModel

from weconnect import clock, ids
from weconnect.api.caller import Caller
from weconnect.api.pagination import Page, query_page
from weconnect.db import table
from weconnect.durable import callbacks
from weconnect.errors import AlreadyFinished, Unavailable
from weconnect.executions import followups, lifecycle, purge
from weconnect.executions.children import list_open_children
from weconnect.executions.entities import ACTIVE_STATUSES, OPEN_STATUSES, ExecutionStatus
from weconnect.executions.errors import ExecutionNotFound, ExpressExecution, NotPaused, StillOpen
from weconnect.executions.kinds import ExecutionKind, Key, Operation
from weconnect.executions.lifecycle import reload
from weconnect.executions.rows import AnyRow, DeletedExecutionRow
from weconnect.identity import waiting

REMEMBER_DELETED_SECONDS = 5 * 86_400  # longer than stream and queue keep an event
MAX_SECONDS = 2**33  # beyond any ID

R = TypeVar("R", bound=AnyRow)
E = TypeVar("E", bound=BaseModel)


class Source(NamedTuple):
    """The source of a list of executions: an index (None: the table itself), a partition, and a sort key prefix."""

    index_name: str | None
    pk: str
    prefix: str = ""


def require(kind: ExecutionKind[R, Any, Any], caller: Caller, key: Key, operation: Operation) -> R:
    """Return the row of an execution that the caller may view, control or delete.

    Raises ExecutionNotFound, and Forbidden where the caller may at least see it.
    """
    row = table.require(kind.row_class, key, ExecutionNotFound)
    kind.require_access(caller, row, operation)
    return row


def wait(row: R, seconds: float) -> R:
    """Return an execution's row once it has ended or waits for something, or else as it is after `seconds`.

    It is polled, at growing intervals. The row is returned at once when the organization has its share of waiting
    callers.
    """
    is_active = row.status in ACTIVE_STATUSES
    with waiting.hold_lease(UUID(row.organization_id), seconds if is_active else 0) as granted_seconds:
        until, pause_seconds = time.monotonic() + granted_seconds, 0.05
        while row.status in ACTIVE_STATUSES and time.monotonic() < until:
            time.sleep(max(0, min(pause_seconds, until - time.monotonic())))
            pause_seconds = min(1.0, pause_seconds * 1.5)
            row = reload(row)
    return row


def find(
    kind: ExecutionKind[R, E, Any],
    source: Source,
    *,
    limit: int,
    cursor: str | None,
    status: ExecutionStatus | None = None,
    after: datetime | None = None,
    before: datetime | None = None,
    keep: Callable[[R], bool] | None = None,
    filters: list[object],
    is_sorted_by_id: bool = True,
) -> Page[E]:
    """Return a page of executions, without their long values; newest first where the source is sorted by their IDs.

    `after` and `before` bound their start; `keep` filters further, by the values in `filters`.
    """
    low = after.timestamp() if after else 0
    high = before.timestamp() if before else MAX_SECONDS
    is_bounded = after is not None or before is not None

    def is_match(row: R) -> bool:
        """Return whether an execution has the status, started in the period, and is to be kept."""
        return (
            (status is None or row.status == status)
            and low <= ids.timestamp_of(UUID(row.id)) < high
            and (keep is None or keep(row))
        )

    bounds = [source.prefix + str(ids.lowest_id(seconds)) for seconds in (low, min(high, MAX_SECONDS))]
    rows, next_cursor = query_page(
        kind.row_class,
        source.pk,
        source.prefix,
        index=source.index_name,
        limit=limit,
        cursor=cursor,
        keep=is_match if keep or status is not None or is_bounded else None,
        filters=[status, after, before, *filters],
        between=(bounds[0], bounds[1]) if is_bounded and is_sorted_by_id else None,
    )
    return Page(items=[kind.to_entity(row, with_values=False) for row in rows], next_cursor=next_cursor)


def cancel(kind: ExecutionKind[R, E, Any], caller: Caller, key: Key) -> E:
    """Cancel an execution and those it has started: at once unless it is executing, else at its next step.

    One that has ended is cancelled again while executions that it has started are open. Raises ExecutionNotFound,
    Forbidden, AlreadyFinished.
    """
    row = require(kind, caller, key, "control")
    if not followups.cancel_execution(row, caller.actor()):
        raise _build_finished_error(row)
    return kind.to_entity(reload(row))


def pause(kind: ExecutionKind[R, E, Any], caller: Caller, key: Key) -> E:
    """Pause an execution, and those that process batches of its loops, at the next step.

    Raises ExecutionNotFound, Forbidden, ExpressExecution, AlreadyFinished.
    """
    row = require(kind, caller, key, "control")
    if row.is_express:
        raise ExpressExecution("The execution runs within its caller's request, so it cannot be paused.")
    values = {"pause_requested_at": clock.iso(clock.now())}
    if not table.touch(row, put=values, condition=lifecycle.build_open_condition()):
        raise _build_finished_error(row)
    for part in _list_open_parts(row):
        table.touch(part, put=values, condition=lifecycle.build_open_condition())
    return kind.to_entity(reload(row))


def resume(kind: ExecutionKind[R, E, Any], caller: Caller, key: Key) -> E:
    """Resume a paused execution, or withdraw a pause that has not taken effect yet.

    Raises ExecutionNotFound, Forbidden, NotPaused.
    """
    row = require(kind, caller, key, "control")
    is_paused = row.status == ExecutionStatus.PAUSED or row.pause_requested_at
    if row.status not in OPEN_STATUSES or not is_paused:
        raise NotPaused(f"The execution is {row.status}. Only a paused one can be resumed.")
    paused: list[AnyRow] = [row, *_list_open_parts(row)]
    for each in paused:
        _resume(each)
    return kind.to_entity(reload(row))


def delete(kind: ExecutionKind[R, Any, Any], caller: Caller, key: Key) -> None:
    """Delete a finished execution with all that belongs to it, checkpoints and files included.

    Raises ExecutionNotFound, Forbidden, StillOpen.
    """
    row = require(kind, caller, key, "delete")
    if row.status in OPEN_STATUSES:
        raise StillOpen(f"The execution is {row.status}. Cancel it first.")
    if list_open_children(row):
        raise StillOpen("Executions that it has started are open. Cancel it again first, which cancels them.")
    organization_id, execution_id = UUID(row.organization_id), UUID(row.id)
    with table.transaction(caller.actor()) as writes:
        writes.delete(row)
        if row.may_start_again:
            pk, sk = DeletedExecutionRow.at(organization_id, execution_id)
            ttl = clock.epoch_seconds() + REMEMBER_DELETED_SECONDS
            writes.put(DeletedExecutionRow(pk=pk, sk=sk, ttl=ttl))
    purge.delete_belongings(
        organization_id, execution_id
    )  # what this has no time for, the stream's record leads to


def _resume(row: AnyRow) -> None:
    """Wake one execution and set it to running, unless a new pause was requested meanwhile. Raises Unavailable."""
    table.touch(row, put={"pause_requested_at": None})  # first, or a branch that reaches it now would pause
    for callback in lifecycle.list_open_callbacks(row, paused_only=True):
        if not callbacks.wake(callback.callback_id, {"resumed": True}):
            raise Unavailable("The execution could not be resumed. Try again shortly.")
    row = reload(row)
    if not row.pause_requested_at:  # otherwise it woke up and is to pause anew
        lifecycle.resume_paused(row)


def _list_open_parts(row: AnyRow) -> list[AnyRow]:
    """Return the open executions that process batches of an execution's loops, and of loops within those."""
    parts = [child for child in list_open_children(row) if child.is_part]
    return [each for part in parts for each in (part, *_list_open_parts(part))]


def _build_finished_error(row: AnyRow) -> AlreadyFinished:
    """Return the error that an execution has already finished, with its status. Raises ExecutionNotFound."""
    return AlreadyFinished(f"The execution is already {reload(row).status}.")
