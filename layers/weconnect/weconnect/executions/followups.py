"""The actions that follow the completion or the cancellation of an execution, in one place.

The parent is woken, the error workflow started, approval requests withdrawn, children cancelled, slots freed, queued
executions admitted, and the retention begins. These can follow from each other (a freed slot admits an execution whose
policy cancels others, whose children end, …), so all of them are here, above the modules that only write rows and
return what is to follow.

A function that executes an execution has time for all of them. Everybody else, such as a route, spends `BUDGET_SECONDS`
on what can be long; an execution that is not finished then is marked (`endings`), and the sweeper continues.
"""

import math
import time
from collections.abc import Callable, Iterable
from uuid import UUID

from pynamodb.expressions.condition import Condition

from weconnect.actor import Actor
from weconnect.approvals import service as approvals
from weconnect.approvals.rows import RequestedApprovalRow
from weconnect.db import table
from weconnect.durable import callbacks
from weconnect.executions import cancellation, completion, endings, lifecycle, retention
from weconnect.executions.children import list_open_children
from weconnect.executions.completion import Followups
from weconnect.executions.concurrency import admission
from weconnect.executions.concurrency.semaphores import Semaphore
from weconnect.executions.entities import OPEN_STATUSES
from weconnect.executions.kinds import kind_of
from weconnect.executions.lifecycle import ACTOR
from weconnect.executions.results import Completion
from weconnect.executions.rows import AnyRow
from weconnect.log import logger

BUDGET_SECONDS = 10
"""The time after which a call begins no further cancellation; a route has 29 s."""


def complete_execution(
    row: AnyRow, end: Completion, details: object | None = None, condition: Condition | None = None
) -> bool:
    """Complete an execution, with the details that its kind writes, and do what follows.

    Return False when it had ended before, or `condition` does not hold; the parent is then woken again, because the
    process that completed it may have crashed before it did so.
    """
    followups = completion.write_completion(row, end, details, condition)
    _execute_followups(followups)
    return followups.is_first


def close_execution(row: AnyRow, end: Completion) -> bool:
    """Complete an execution whose function has ended without doing so, with all that it has started.

    Return False when it had ended before; its parent is then woken again.
    """
    until = _compute_deadline()
    if row.status not in OPEN_STATUSES:  # as after most executions, whose functions have completed them
        _leave_rest(row, is_done=_execute_followups(Followups(row, is_first=False), until))
        return False
    if row.cancel_requested_at:
        end = Completion.cancelled()
    is_marked = endings.mark_parent(row)
    if is_marked:
        for child in list_open_children(row):
            if child.is_nested:
                close_execution(child, end)
    followups = completion.write_completion(row, end)
    _leave_rest(row, is_done=_execute_followups(followups, until), is_marked=is_marked)
    return followups.is_first


def cancel_execution(row: AnyRow, actor: Actor = ACTOR, until: float | None = None) -> bool:
    """Cancel an execution with all that it waits for; return False when it has ended, and all that with it.

    It ends at once when it has not begun, waits or is paused, else at its next step. What is not cancelled `until` a
    time of the monotonic clock (None: for `BUDGET_SECONDS`) is left to the sweeper.
    """
    until = _compute_deadline() if until is None else until
    request = cancellation.request_cancellation(row, actor)
    if request is None:
        if not list_open_children(row):
            return False
        endings.mark(row)  # an earlier cancellation was interrupted
        finish_ending(row, until)
        return True
    for callback in request.callbacks:
        callbacks.wake(callback.callback_id, {"cancelled": True})
    ended = request.followups
    is_done = _execute_followups(ended, until) if ended else _cancel_children(row, until)
    _leave_rest(row, is_done=is_done, is_marked=request.is_marked)
    return True


def finish_ending(row: AnyRow, until: float) -> None:
    """Do what is left of the end of a marked execution: cancel its open children, begin its retention.

    One whose cancellation was requested is cancelled again. Any other that is open is left to whoever closes it.
    """
    row = lifecycle.reload(row)
    if row.status in OPEN_STATUSES:
        if row.cancel_requested_at:
            cancel_execution(row, until=until)
        return
    is_done = _cancel_children(row, until)
    retention.begin(row, until)
    _leave_rest(row, is_done=is_done, is_marked=True)


def cancel_all(rows: Iterable[AnyRow], until: float | None = None) -> bool:
    """Cancel executions that are in the way or for nobody; return whether all were cancelled.

    What fails is logged. That, and what is not cancelled in time, is left to the sweeper.
    """
    until = _compute_deadline() if until is None else until
    is_done = True
    for row in rows:
        if time.monotonic() >= until:
            return False
        try:
            cancel_execution(row, until=until)
        except Exception as error:
            logger.warning(
                "execution not cancelled; the sweeper will", execution_id=row.id, error=repr(error)
            )
            is_done = False
    return is_done


def admit_queued(semaphore: Semaphore) -> int:
    """Admit the executions that are queued for a semaphore while there are slots; return how many."""
    result = admission.admit_queued(semaphore)
    cancel_all(result.to_cancel)
    return result.admitted


def _compute_deadline() -> float:
    """Return the time of the monotonic clock until which a call begins what can be long."""
    return time.monotonic() + BUDGET_SECONDS


def _leave_rest(row: AnyRow, *, is_done: bool, is_marked: bool = False) -> None:
    """Leave an execution whose end is not finished to the sweeper, marked, or remove its mark."""
    if is_done and is_marked:
        endings.unmark(row)
    elif not is_done and not is_marked:
        endings.mark(row)


def _cancel_children(row: AnyRow, until: float) -> bool:
    """Cancel all that an execution has started and waits for; return False when the time was over before."""
    for child in list_open_children(row):
        if time.monotonic() >= until:
            return False
        cancel_execution(child, until=until)
    return True


def _execute_followups(followups: Followups, until: float = math.inf) -> bool:
    """Do what `followups` names, wake the parent, start the error workflow, release slots, count, begin retention.

    Return False when there was no time to cancel all children. The retention of what there was no time for begins when
    the execution is deleted.
    """
    row = followups.row
    if row is None:
        return True
    if followups.withdraws_approvals:
        _withdraw_approvals(row)
    is_done = not followups.cancels_children or _cancel_children(row, until)
    if callback_id := _find_parent_callback(row):
        callbacks.wake(callback_id, {"executionId": row.id})
    if followups.starts_error_workflow:
        kind_of(row).start_error_workflow(row)
    if followups.is_first:
        cancel_all(
            admission.release_slots(row, followups.waited_for).to_cancel, min(until, _compute_deadline())
        )
    _try(row, "counted", lambda: kind_of(row).count_ended(row, is_first=followups.is_first))
    _try(row, "kept for its time alone", lambda: retention.begin(row, until))
    return is_done


def _try(row: AnyRow, outcome: str, work: Callable[[], object]) -> None:
    """Do what an execution that has ended is not to fail for; a failure is logged, repaired later.

    Numbers are counted with those of the next execution; what has no end is deleted with the execution.
    """
    try:
        work()
    except Exception:
        logger.exception(f"ended execution not {outcome}", execution_id=row.id)


def _withdraw_approvals(row: AnyRow) -> None:
    """Withdraw the approval requests of an execution that nobody has decided."""
    organization_id = UUID(row.organization_id)
    pk, prefix = RequestedApprovalRow.of_execution(organization_id, UUID(row.id))
    rows = RequestedApprovalRow.query(pk, RequestedApprovalRow.sk.startswith(prefix), consistent_read=True)
    approvals.withdraw(organization_id, [UUID(each.approval_id) for each in rows], ACTOR)


def _find_parent_callback(row: AnyRow) -> str | None:
    """Return the callback that the parent waits for.

    The row is read again where it has none: the parent may have begun to wait since it was read.
    """
    if row.parent_callback or row.parent_key is None or row.is_nested:
        return row.parent_callback
    present = table.get(type(row), (row.pk, row.sk))
    return present.parent_callback if present else None
