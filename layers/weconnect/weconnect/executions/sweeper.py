"""Executions that nothing executes any more: started again, or completed."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from weconnect import clock, ids
from weconnect.approvals import service as approvals
from weconnect.db import table
from weconnect.executions import children, followups
from weconnect.executions.entities import OPEN_STATUSES, ExecutionStatus
from weconnect.executions.invocation import invoke
from weconnect.executions.kinds import find_by_durable_name, list_kinds
from weconnect.executions.results import Completion
from weconnect.executions.rows import SWEEPER_SHARDS, AnyRow, ExecutionRow, SweptState
from weconnect.log import logger

SWEEP_AFTER_SECONDS: dict[SweptState, int] = {
    "pending": 30,
    "express": 60,
    "nested": 30,
    "running": 2 * 3_600,
    "waiting": 8 * 86_400,  # longer than a durable function may live
}
"""The age at which the sweeper looks at an execution, by its state."""
BATCH_SIZE = 100  # keys of one read


def sweep() -> int:
    """Admit queued executions, start or complete those that nobody works on, and send undelivered decisions.

    Return how many executions and decisions were handled. What cannot be handled does not keep the rest from it: the
    first failure is raised when all were tried.
    """
    failures: list[Exception] = []
    swept = _try(followups.admit_all_queued, failures) + _try(approvals.retry_deliveries, failures)
    for state, handle in _HANDLERS.items():
        for kind in list_kinds():
            if state in kind.row_class.swept_states:
                for shard in SWEEPER_SHARDS:
                    swept += _try(
                        partial(_sweep_shard, kind.row_class, state, shard, handle, failures), failures
                    )
    if failures:
        raise failures[0]
    return swept


def _sweep_shard(
    row_class: type[AnyRow],
    state: SweptState,
    shard: str,
    handle: Callable[[AnyRow], bool],
    failures: list[Exception],
) -> int:
    """Handle the executions of a kind in a state and shard, one by one; return how many were handled."""
    return sum(_try(partial(handle, row), failures) for row in _list_rows(row_class, state, shard))


def _try(work: Callable[[], int], failures: list[Exception]) -> int:
    """Return the number that `work` returns; when it fails, log that, add it to `failures` and return 0."""
    try:
        return work()
    except Exception as failure:
        logger.exception("executions not swept; the next sweep tries again")
        failures.append(failure)
        return 0


def close(durable_name: str, platform_status: str, message: str) -> bool:
    """Complete an execution whose durable function ended without doing so.

    `platform_status` is that of the durable execution, such as `TIMED_OUT` or `FAILED`. Return False when the
    execution was completed before, or the name is not one of an execution.
    """
    row = find_by_durable_name(durable_name)
    if row is None:
        return False
    status = ExecutionStatus.TIMEOUT if platform_status == "TIMED_OUT" else ExecutionStatus.FAILED
    code = "platform_" + platform_status.lower()
    return followups.close_execution(row, Completion.with_error(status, code, message, retryable=True))


def _list_rows(row_class: type[AnyRow], state: SweptState, shard: str) -> list[AnyRow]:
    """Return the executions in a state that the sweeper handles: those old enough, of nested ones the orphans."""
    oldest = str(ids.lowest_id(clock.epoch_seconds() - SWEEP_AFTER_SECONDS[state]))
    index, sort_key = (
        getattr(row_class, row_class.swept_index),
        getattr(row_class, f"{row_class.swept_index}sk"),
    )
    older = list(index.query(row_class.sweeper_partition(state, shard), sort_key < oldest))
    return _list_orphans(older) if state == "nested" else older


def _invoke_again(row: AnyRow) -> bool:
    """Start an execution that was stored and has not begun."""
    invoke(row)
    return True


def _interrupt(row: AnyRow) -> bool:
    """Complete an express execution: the function of its caller has ended before it."""
    message = "The function that executed it has ended; its result was reported to nobody"
    return followups.complete_execution(row, Completion.failed("interrupted", message, retryable=True))


def _close_if_lost(row: AnyRow) -> bool:
    """Close an execution that has not changed for long, unless one that it has started is still open."""
    seconds = SWEEP_AFTER_SECONDS["waiting" if row.status == ExecutionStatus.WAITING else "running"]
    if str(row.updated_at) > clock.iso(clock.now() - timedelta(seconds=seconds)):
        return False
    present = children.load_row([row.pk, row.sk])  # an index lags behind
    if present is None or children.list_open_children(present):
        return False
    error = f"The execution made no progress for {seconds // 3_600} hours"
    return followups.close_execution(present, Completion.with_error(ExecutionStatus.TIMEOUT, "lost", error))


def _close_orphan(row: AnyRow) -> bool:
    """Complete a nested execution whose parent has ended without it."""
    error = "The calling execution has finished"
    return followups.complete_execution(
        row, Completion.with_error(ExecutionStatus.CANCELLED, "parent_ended", error)
    )


def _list_orphans(rows: list[AnyRow]) -> list[AnyRow]:
    """Return those nested executions whose parents have ended or are gone."""
    orphans = []
    for start in range(0, len(rows), BATCH_SIZE):
        batch = rows[start : start + BATCH_SIZE]
        parents = table.get_many([_get_parent_key(row) for row in batch])
        for row in batch:
            parent = parents.get(_get_parent_key(row))
            if not (isinstance(parent, ExecutionRow) and parent.status in OPEN_STATUSES):
                orphans.append(row)
    return orphans


def _get_parent_key(row: AnyRow) -> tuple[str, str]:
    """Return the key of the execution that a nested one is a part of."""
    assert row.parent_key, "a nested execution has a parent"
    pk, sk = row.parent_key
    return pk, sk


_HANDLERS: dict[SweptState, Callable[[AnyRow], bool]] = {
    "pending": _invoke_again,
    "express": _interrupt,
    "nested": _close_orphan,
    "running": _close_if_lost,
    "waiting": _close_if_lost,
}
"""Functions that handle one execution, and return whether they did something."""
