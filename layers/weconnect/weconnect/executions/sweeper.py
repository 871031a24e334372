"""Executions that nothing executes any more: started again, or completed; queues and ends that nobody works on."""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Literal

from weconnect import clock, ids
from weconnect.approvals import service as approvals
from weconnect.db import table
from weconnect.executions import closing, endings, followups
from weconnect.executions.children import load_row
from weconnect.executions.concurrency import admission
from weconnect.executions.entities import OPEN_STATUSES, ExecutionStatus
from weconnect.executions.invocation import EndedDurableExecution, invoke, list_failed
from weconnect.executions.kinds import find_by_durable_name, list_kinds
from weconnect.executions.lifecycle import ACTOR
from weconnect.executions.results import Completion
from weconnect.executions.rows import SWEEPER_SHARDS, AnyRow, EndingRow, ExecutionRow, SweepRow, SweptState
from weconnect.log import logger
from weconnect.settings import settings

SWEEP_AFTER_SECONDS: dict[SweptState, int] = {
    "pending": 30,
    "express": 60,
    "nested": 30,
}
"""The age at which the sweeper looks at an execution, by its state."""
BATCH_SIZE = 100  # keys of one read
BUDGET_SECONDS = 25  # of each part; the function has 60
CLOSING_BUDGET_SECONDS = 10  # beside it
ENDING_SECONDS = 5  # of one execution, in a sweep
INVOCATIONS_AT_ONCE = 16  # Lambda takes about 15 ms to accept one
MAX_PAUSE_SECONDS = 3_600

Part = Literal["executions", "queues"]
"""The parts of a sweep, which may take place at the same time."""


def sweep(part: Part | None = None) -> int:
    """Start or complete executions that nobody works on, send undelivered decisions; admit queued ones, finish ends.

    `part` is one of the two, which have times of their own; None: both. Return how many executions and decisions were
    handled. What cannot be handled does not keep the rest from it: the first failure is raised when all were tried.
    """
    failures: list[Exception] = []
    swept = 0
    if part != "queues":
        swept += _try(approvals.retry_deliveries, failures) + _sweep_executions(failures)
        for function in (settings.run_workflow_function, settings.run_agent_function):
            swept += _try(partial(_close_failed, function, failures), failures)
    if part != "executions":
        swept += _try(partial(_sweep_queues, failures), failures)
        swept += _try(partial(_sweep_endings, failures), failures)
    if failures:
        raise failures[0]
    return swept


def _sweep_executions(failures: list[Exception]) -> int:
    """Handle the executions that nobody works on, in all states and shards; return how many were handled.

    Each sweep begins with another shard, so that a lack of time does not always concern the same ones.
    """
    deadline = clock.epoch_seconds() + BUDGET_SECONDS
    first = clock.epoch_seconds() // 60 % len(SWEEPER_SHARDS)
    swept = 0
    for shard in SWEEPER_SHARDS[first:] + SWEEPER_SHARDS[:first]:
        for state in _STATES:
            for kind in list_kinds():
                if state in kind.row_class.swept_states:
                    work = partial(_sweep_shard, kind.row_class, state, shard, deadline, failures)
                    swept += _try(work, failures)
    return swept


def _sweep_shard(
    row_class: type[AnyRow],
    state: SweptState,
    shard: str,
    deadline: int,
    failures: list[Exception],
) -> int:
    """Handle the executions of a kind in a state and shard until the deadline; return how many were handled."""
    swept, due = 0, []
    for row in _list_rows(row_class, state, shard):
        if clock.epoch_seconds() >= deadline:
            break
        if state == "pending":
            due += [row] if _try(partial(_postpone, row), failures) else []
        else:
            swept += _try(partial(_HANDLERS[state], row), failures)
    if due:
        with ThreadPoolExecutor(INVOCATIONS_AT_ONCE) as threads:
            list(threads.map(invoke, due))
    return swept + len(due)


def _sweep_queues(failures: list[Exception]) -> int:
    """Admit queued executions where slots are free, until the time is over; return how many.

    The next sweep goes on with the semaphore after the last one.
    """
    deadline = clock.epoch_seconds() + BUDGET_SECONDS
    pk, sk = SweepRow.of_semaphores()
    before = table.get(SweepRow, (pk, sk))
    admitted, position = 0, ""
    for each, semaphore in admission.list_semaphores(before.position if before else ""):
        if clock.epoch_seconds() >= deadline:
            table.put(SweepRow(pk=pk, sk=sk, position=position), ACTOR)
            return admitted
        admitted += _try(partial(followups.admit_queued, semaphore), failures)
        position = each
    if before:
        before.delete()
    return admitted


def _sweep_endings(failures: list[Exception]) -> int:
    """Go on with the ends of executions that are not finished, until the time is over; return how many there were.

    Each of them has a share of the time. The next sweep goes on with the one after the last, also when this sweep was
    killed, so that none keeps those behind it from their turns.
    """
    deadline = time.monotonic() + BUDGET_SECONDS
    pk, sk = SweepRow.of_endings()
    before = table.get(SweepRow, (pk, sk))
    swept = 0
    for each in endings.list_marks(before.position if before else ""):
        if time.monotonic() >= deadline:
            return swept
        table.put(SweepRow(pk=pk, sk=sk, position=each.sk), ACTOR)
        until = min(deadline, time.monotonic() + ENDING_SECONDS)
        swept += _try(partial(_finish_ending, each, until), failures)
    if before or swept:
        SweepRow(pk, sk).delete()
    return swept


def _finish_ending(mark: EndingRow, until: float) -> int:
    """Go on with the end of a marked execution, or of those of a marked organization; return 1."""
    if mark.execution_key is None:
        closing.finish_closing(mark, until)
    elif row := load_row(mark.execution_key):
        followups.finish_ending(row, until)
    else:
        mark.delete()
    return 1


def _close_failed(function: str, failures: list[Exception]) -> int:
    """Close the open executions whose durable executions have failed without the event that says so; return how many.

    Only the platform knows whether an execution that runs for hours, or waits for months, has a durable execution. So
    nothing is read or written of healthy ones: each sweep looks at one page of those that failed, the next at the
    following one.
    """
    deadline = clock.epoch_seconds() + CLOSING_BUDGET_SECONDS
    pk, sk = SweepRow.of_durable_executions(function)
    before = table.get(SweepRow, (pk, sk))
    try:
        failed, marker = list_failed(function, before.position if before else "")
    except Exception:
        if before:
            before.delete()  # the platform may know its marker no more
        raise
    closed = 0
    for each in failed:
        if clock.epoch_seconds() >= deadline:
            return closed
        closed += _try(partial(_close_if_open, each), failures)
    if marker:
        table.put(SweepRow(pk=pk, sk=sk, position=marker), ACTOR)
    elif before:
        before.delete()
    return closed


def _close_if_open(ended: EndedDurableExecution) -> bool:
    """Close the execution of an ended durable execution; return False when it is not open."""
    row = find_by_durable_name(ended.name)
    if row is None or row.status not in OPEN_STATUSES:
        return False
    return _close(row, ended.status, f"The platform ended the execution: {ended.status}")


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
    return row is not None and _close(row, platform_status, message)


def _close(row: AnyRow, platform_status: str, message: str) -> bool:
    """Complete an execution whose durable function ended with a status; return False when it was completed before."""
    status = ExecutionStatus.TIMEOUT if platform_status == "TIMED_OUT" else ExecutionStatus.FAILED
    code = "platform_" + platform_status.lower()
    return followups.close_execution(row, Completion.with_error(status, code, message, retryable=True))


def _list_rows(row_class: type[AnyRow], state: SweptState, shard: str) -> Iterable[AnyRow]:
    """Return the executions in a state that the sweeper handles: those old enough, of nested ones the orphans."""
    oldest = str(ids.lowest_id(clock.epoch_seconds() - SWEEP_AFTER_SECONDS[state]))
    index, sort_key = (
        getattr(row_class, row_class.swept_index),
        getattr(row_class, f"{row_class.swept_index}sk"),
    )
    older = index.query(row_class.sweeper_partition(state, shard), sort_key < oldest)
    return _list_orphans(list(older)) if state == "nested" else older


def _postpone(row: AnyRow) -> int:
    """Postpone the next start of a pending execution by ever more time; return 0 when this one is not due.

    Lambda keeps what it cannot execute yet, so starting it every minute would only make its queue longer.
    """
    moment, count = clock.now(), int(row.invocations or 0)
    if (row.next_invocation_at or "") > clock.iso(moment):
        return 0
    pause_seconds = min(MAX_PAUSE_SECONDS, SWEEP_AFTER_SECONDS["pending"] * 2 ** (count + 1))
    values = {
        "next_invocation_at": clock.iso(moment + timedelta(seconds=pause_seconds)),
        "invocations": count + 1,
    }
    is_unchanged = (
        ExecutionRow.next_invocation_at == row.next_invocation_at
        if row.next_invocation_at
        else ExecutionRow.next_invocation_at.does_not_exist()
    )
    is_pending = ExecutionRow.status == ExecutionStatus.PENDING.value
    return int(table.touch(row, put=values, condition=is_pending & is_unchanged))


def _interrupt(row: AnyRow) -> bool:
    """Complete an express execution: the function of its caller has ended before it."""
    message = "The function that executed it has ended; its result was reported to nobody"
    return followups.complete_execution(row, Completion.failed("interrupted", message, retryable=True))


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
    "express": _interrupt,
    "nested": _close_orphan,
}
"""Functions that handle one execution, and return whether they did something."""
_STATES: tuple[SweptState, ...] = ("pending", *_HANDLERS)
