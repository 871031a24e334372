"""The actions that follow the completion or the cancellation of an execution, in one place.

The parent is woken, the error workflow started, approval requests withdrawn, children cancelled, slots freed and queued
executions admitted. These can follow from each other (a freed slot admits an execution whose policy cancels others,
whose children end, …), so all of them are here, above the modules that only write rows and return what is to follow.
"""

from collections.abc import Iterable
from contextlib import suppress
from uuid import UUID

from pynamodb.expressions.condition import Condition

from weconnect.actor import Actor
from weconnect.approvals import service as approvals
from weconnect.approvals.rows import RequestedApprovalRow
from weconnect.db import table
from weconnect.errors import Conflict, NotFound
from weconnect.executions import cancellation, completion, lifecycle
from weconnect.executions.children import list_open_children
from weconnect.executions.completion import Completion, Followups, UnwrittenJournal
from weconnect.executions.concurrency import admission
from weconnect.executions.concurrency.admission import StoredExecution
from weconnect.executions.error_workflows import start_for_error
from weconnect.executions.errors import ExecutionNotFound
from weconnect.executions.lifecycle import ACTOR
from weconnect.executions.rows import ExecutionRow
from weconnect.log import logger


def complete_execution(
    row: ExecutionRow,
    end: Completion,
    unwritten: UnwrittenJournal | None = None,
    condition: Condition | None = None,
) -> bool:
    """Complete an execution, with the rest of its journal, and do what follows.

    Return False when it had ended before, or `condition` does not hold; the parent is then woken again, because the
    process that completed it may have crashed before it did so.
    """
    followups = completion.write_completion(row, end, unwritten, condition)
    _execute_followups(followups)
    return followups.is_first


def cancel_execution(row: ExecutionRow, actor: Actor = ACTOR) -> bool:
    """Cancel an execution with all that it waits for; return False when it has ended.

    It ends at once when it has not begun, waits or is paused, else at its next step.
    """
    request = cancellation.request_cancellation(row, actor)
    if request is None:
        return False
    if request.followups:
        _execute_followups(request.followups)
    else:
        cancel_children(UUID(row.organization_id), UUID(row.id))
    for callback in request.callbacks:
        lifecycle.wake_callback(callback.callback_id, {"cancelled": True})
    return True


def cancel_children(organization_id: UUID, parent_id: UUID) -> None:
    """Cancel all executions that an execution, of a workflow or an agent, waits for, and what these wait for."""
    from weconnect.agents.engine import nested_executions  # cold start

    for row in list_open_children(organization_id, parent_id):
        cancel_execution(row)
    for nested in nested_executions.list_open(organization_id, parent_id):
        with suppress(Conflict, NotFound):  # it has ended meanwhile
            nested_executions.request_cancellation(nested)
            cancel_children(organization_id, UUID(nested.id))


def store_execution(row: ExecutionRow, actor: Actor, organization_limit: int) -> ExecutionRow:
    """Store an execution and return its row: admitted when there are slots, else queued.

    Raises AlreadyStarted, and ConcurrencyLimitReached when no slot is free and the policy is `skip`.
    """
    return _make_room(admission.store(row, actor, organization_limit))


def store_execution_once(row: ExecutionRow, organization_limit: int) -> ExecutionRow:
    """Store an execution that a step starts, as `store_execution` does. Idempotent."""
    return _make_room(admission.store_once(row, organization_limit))


def admit_all_queued() -> int:
    """Admit the queued executions of all organizations for which there are slots; return how many."""
    result = admission.admit_all_queued()
    _cancel_all(result.to_cancel)
    return result.admitted


def _execute_followups(followups: Followups) -> None:
    """Do what `followups` names, then wake the parent, start the error workflow and release the slots."""
    row = followups.row
    if row is None:
        return
    organization_id, execution_id = UUID(row.organization_id), UUID(row.id)
    if followups.withdraws_approvals:
        _withdraw_approvals(organization_id, execution_id)
    if followups.cancels_children:
        cancel_children(organization_id, execution_id)
    if callback_id := _find_parent_callback(row):
        lifecycle.wake_callback(callback_id, {"executionId": row.id})
    if followups.starts_error_workflow:
        _cancel_all(start_for_error(row))
    if followups.is_first:
        _cancel_all(admission.release_slots(row).to_cancel)


def _make_room(stored: StoredExecution) -> ExecutionRow:
    """Cancel the executions that make room for a stored one, and return its present row. Raises ExecutionNotFound."""
    if not stored.to_cancel:
        return stored.row
    _cancel_all(stored.to_cancel)
    return table.require(ExecutionRow, (stored.row.pk, stored.row.sk), ExecutionNotFound)


def _cancel_all(rows: Iterable[ExecutionRow]) -> None:
    """Cancel the executions that admission has found; what fails is left to the sweeper, as admission itself is."""
    for row in rows:
        try:
            cancel_execution(row)
        except Exception as error:
            logger.warning(
                "execution not cancelled; the sweeper will", execution_id=row.id, error=repr(error)
            )


def _withdraw_approvals(organization_id: UUID, execution_id: UUID) -> None:
    """Withdraw the approval requests of an execution that nobody has decided."""
    pk, prefix = RequestedApprovalRow.of_execution(organization_id, execution_id)
    rows = RequestedApprovalRow.query(pk, RequestedApprovalRow.sk.startswith(prefix), consistent_read=True)
    approvals.withdraw(organization_id, [UUID(row.approval_id) for row in rows], ACTOR)


def _find_parent_callback(row: ExecutionRow) -> str | None:
    """Return the callback that the parent waits for.

    The row is read again where it has none: the parent may have begun to wait since it was read.
    """
    if row.parent_callback or row.mode != "subworkflow":
        return row.parent_callback
    present = table.get(ExecutionRow, (row.pk, row.sk))
    return present.parent_callback if present else None
