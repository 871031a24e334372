"""The actions that follow the completion or the cancellation of an execution, in one place.

The parent is woken, the error workflow started, approval requests withdrawn, children cancelled, slots freed, queued
executions admitted, and the retention begins. These can follow from each other (a freed slot admits an execution whose
policy cancels others, whose children end, …), so all of them are here, above the modules that only write rows and
return what is to follow.
"""

from collections.abc import Callable, Iterable
from uuid import UUID

from pynamodb.expressions.condition import Condition

from weconnect.actor import Actor
from weconnect.approvals import service as approvals
from weconnect.approvals.rows import RequestedApprovalRow
from weconnect.db import table
from weconnect.durable import callbacks
from weconnect.executions import cancellation, completion, retention
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
    if row.status not in OPEN_STATUSES:  # as after most executions, whose functions have completed them
        _execute_followups(Followups(row, is_first=False))
        return False
    if row.cancel_requested_at:
        end = Completion.cancelled()
    children = list_open_children(row)
    for child in children:
        if child.is_nested:
            close_execution(child, end)
    is_first = complete_execution(row, end)
    cancel_all(child for child in children if not child.is_nested)
    return is_first


def cancel_execution(row: AnyRow, actor: Actor = ACTOR) -> bool:
    """Cancel an execution with all that it waits for; return False when it has ended.

    It ends at once when it has not begun, waits or is paused, else at its next step.
    """
    request = cancellation.request_cancellation(row, actor)
    if request is None:
        return False
    if request.followups:
        _execute_followups(request.followups)
    else:
        cancel_children(row)
    for callback in request.callbacks:
        callbacks.wake(callback.callback_id, {"cancelled": True})
    return True


def cancel_children(row: AnyRow) -> None:
    """Cancel all executions that an execution has started and waits for, and what these wait for."""
    for child in list_open_children(row):
        cancel_execution(child)


def cancel_all(rows: Iterable[AnyRow]) -> None:
    """Cancel executions that are in the way or for nobody; what fails is logged, and left to the sweeper."""
    for row in rows:
        try:
            cancel_execution(row)
        except Exception as error:
            logger.warning(
                "execution not cancelled; the sweeper will", execution_id=row.id, error=repr(error)
            )


def admit_queued(semaphore: Semaphore) -> int:
    """Admit the executions that are queued for a semaphore while there are slots; return how many."""
    result = admission.admit_queued(semaphore)
    cancel_all(result.to_cancel)
    return result.admitted


def _execute_followups(followups: Followups) -> None:
    """Do what `followups` names, wake the parent, start the error workflow, release slots, count, begin retention."""
    row = followups.row
    if row is None:
        return
    if followups.withdraws_approvals:
        _withdraw_approvals(row)
    if followups.cancels_children:
        cancel_children(row)
    if callback_id := _find_parent_callback(row):
        callbacks.wake(callback_id, {"executionId": row.id})
    if followups.starts_error_workflow:
        kind_of(row).start_error_workflow(row)
    if followups.is_first:
        cancel_all(admission.release_slots(row).to_cancel)
    _try(row, "counted", lambda: kind_of(row).count_ended(row, is_first=followups.is_first))
    _try(row, "kept for its time alone", lambda: retention.begin(row))


def _try(row: AnyRow, outcome: str, work: Callable[[], None]) -> None:
    """Do what an execution that has ended is not to fail for; a failure is logged, and repaired later.

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
