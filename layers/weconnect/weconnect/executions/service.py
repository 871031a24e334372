"""Executions of workflows: read, list, cancel, pause, resume and delete them. `starting` starts them."""

import time
from datetime import datetime
from uuid import UUID

from weconnect import clock, ids
from weconnect.api.caller import Caller
from weconnect.api.pagination import Page, query_page
from weconnect.db import payloads, table
from weconnect.db.table import Row
from weconnect.errors import AlreadyFinished, Unavailable
from weconnect.executions import followups, lifecycle
from weconnect.executions.children import iterate_open_slices
from weconnect.executions.concurrency import admission
from weconnect.executions.entities import (
    OPEN_STATUSES,
    Execution,
    ExecutionMode,
    ExecutionStatus,
    ExecutionWithNodes,
)
from weconnect.executions.errors import ExecutionNotFound, ExpressExecution, NotPaused, StillOpen
from weconnect.executions.lifecycle import get_key
from weconnect.executions.rows import DeletedExecutionRow, ExecutionRow, partition_of
from weconnect.executions.stored_values import to_execution
from weconnect.workflows.executions import journal
from weconnect.workflows.sharing import access, listing
from weconnect.workflows.sharing.access import RequiredAccess

REMEMBER_DELETED_SECONDS = 5 * 86_400  # longer than stream and queue keep an event
ACTIVE = frozenset({ExecutionStatus.PENDING, ExecutionStatus.RUNNING})


def wait(caller: Caller, execution: Execution, seconds: int) -> Execution:
    """Return the execution once it has ended or waits for something, or else as it is after `seconds`.

    It is polled, at growing intervals.
    """
    until, pause = time.monotonic() + seconds, 0.05
    while execution.status in ACTIVE and time.monotonic() < until:
        time.sleep(max(0, min(pause, until - time.monotonic())))
        pause = min(1.0, pause * 1.5)
        execution = to_execution(_load(caller, execution.id))
    return execution


def get(caller: Caller, execution_id: UUID) -> ExecutionWithNodes:
    """Return an execution with a summary of each node run and, while it is queued, its position in the queue.

    Raises ExecutionNotFound, Forbidden.
    """
    row = require_execution(caller, execution_id, access.VIEW_EXECUTION)
    nodes = journal.load_summaries(caller.organization_id, execution_id)
    position = admission.get_queue_position(row) if row.waits_for else None
    return ExecutionWithNodes(**to_execution(row).model_dump(), nodes=nodes, queue_position=position)


def find(
    caller: Caller,
    *,
    limit: int,
    cursor: str | None,
    workflow_id: UUID | None = None,
    status: ExecutionStatus | None = None,
    mode: ExecutionMode | None = None,
    after: datetime | None = None,
    before: datetime | None = None,
) -> Page[Execution]:
    """Return a page of the organization's executions, newest first, without their input and output.

    `after` and `before` bound their start. A caller without the permission to read all of them gets those that they
    started, of workflows that are shared with them for execution.
    """
    index, pk = choose_index(caller.organization_id, workflow_id, status)
    shared_ids = None
    if not caller.has_permission(access.VIEW_EXECUTION.permission):
        shared_ids = {str(row.id) for row in listing.list_shared_workflows(caller, access.VIEW_EXECUTION)}
    low, high = after.timestamp() if after else 0, before.timestamp() if before else 2**33

    def keep(row: ExecutionRow) -> bool:
        """Return whether an execution matches all filters and the caller may see it."""
        return (
            (shared_ids is None or (row.user_id == str(caller.user_id) and row.workflow_id in shared_ids))
            and (status is None or row.status == status)
            and (mode is None or row.mode == mode)
            and low <= ids.timestamp_of(UUID(row.id)) < high
        )

    filters = [workflow_id, status, mode, after, before, None if shared_ids is None else caller.user_id]
    needs_filter = shared_ids is not None or any(value is not None for value in filters[1:])
    rows, next_cursor = query_page(
        ExecutionRow,
        pk,
        index=index,
        limit=limit,
        cursor=cursor,
        keep=keep if needs_filter else None,
        filters=filters,
        between=(str(ids.lowest_id(low)), str(ids.lowest_id(min(high, 2**33)))) if after or before else None,
    )
    return Page(items=[to_execution(row, with_values=False) for row in rows], next_cursor=next_cursor)


def choose_index(
    organization_id: UUID, workflow_id: UUID | None, status: ExecutionStatus | None
) -> tuple[str, str]:
    """Return the index and the partition with all matching executions and the fewest others: `("gsi3", pk)`.

    A partition holds the executions of one workflow, of one status, or of the whole organization.
    """
    if workflow_id:
        return "gsi3", ExecutionRow.of_workflow(organization_id, workflow_id)
    if status and status not in (*ACTIVE, ExecutionStatus.COMPLETED):
        return "gsi2", ExecutionRow.by_status(organization_id, status)
    return "gsi1", ExecutionRow.of_organization(organization_id)


def delete(caller: Caller, execution_id: UUID) -> None:
    """Delete a finished execution with its journal, files and checkpoints.

    Raises ExecutionNotFound, Forbidden, StillOpen.
    """
    row = require_execution(caller, execution_id, access.DELETE_EXECUTION)
    if row.status in OPEN_STATUSES:
        raise StillOpen(f"The execution is {row.status}. Cancel it first.")
    payloads.discard_all(caller.organization_id, f"runs/{execution_id}/")
    pk = partition_of(caller.organization_id, execution_id)
    others = [each for each in Row.query(pk, consistent_read=True) if each.sk != row.sk]
    with Row.batch_write() as batch:
        for other in others:
            batch.delete(other)
    with table.transaction(caller.actor()) as writes:
        writes.delete(row)
        if row.mode == "event":  # the event may be delivered again, and would start it anew
            pk, sk = DeletedExecutionRow.at(caller.organization_id, execution_id)
            ttl = clock.epoch_seconds() + REMEMBER_DELETED_SECONDS
            writes.put(DeletedExecutionRow(pk=pk, sk=sk, ttl=ttl))


def cancel(caller: Caller, execution_id: UUID) -> Execution:
    """Cancel an execution: at once when it has not begun, waits or is paused, else at its next step.

    Raises ExecutionNotFound, Forbidden, AlreadyFinished.
    """
    row = require_execution(caller, execution_id, access.CONTROL_EXECUTION)
    if not followups.cancel_execution(row, caller.actor()):
        raise _build_finished_error(caller, execution_id)
    return to_execution(_load(caller, execution_id))


def pause(caller: Caller, execution_id: UUID) -> Execution:
    """Pause an execution, and those that process batches of its loops, at the next step.

    Raises ExecutionNotFound, Forbidden, ExpressExecution, AlreadyFinished.
    """
    row = require_execution(caller, execution_id, access.CONTROL_EXECUTION)
    if row.is_express:
        raise ExpressExecution("The execution runs within its caller's request, so it cannot be paused.")
    values = {"pause_requested_at": clock.iso(clock.now())}
    if not table.touch(row, put=values, condition=lifecycle.build_open_condition()):
        raise _build_finished_error(caller, execution_id)
    for part in _list_open_slices(row):
        table.touch(part, put=values, condition=lifecycle.build_open_condition())
    return to_execution(_load(caller, execution_id))


def resume(caller: Caller, execution_id: UUID) -> Execution:
    """Resume a paused execution, or withdraw a pause that has not taken effect yet.

    Raises ExecutionNotFound, Forbidden, NotPaused.
    """
    row = require_execution(caller, execution_id, access.CONTROL_EXECUTION)
    if row.status not in OPEN_STATUSES or not (
        row.status == ExecutionStatus.PAUSED or row.pause_requested_at
    ):
        raise NotPaused(f"The execution is {row.status}. Only a paused one can be resumed.")
    for each in [row, *_list_open_slices(row)]:
        _resume(each)
    return to_execution(_load(caller, execution_id))


def _resume(row: ExecutionRow) -> None:
    """Wake one execution and set it to running, unless a new pause was requested meanwhile. Raises Unavailable."""
    table.touch(row, put={"pause_requested_at": None})  # first, or a branch that reaches it now would pause
    key = get_key(row)
    for callback in lifecycle.list_open_callbacks(key, paused_only=True):
        if not lifecycle.wake_callback(callback.callback_id, {"resumed": True}):
            raise Unavailable("The execution could not be resumed. Try again shortly.")
    row = key.load()
    if not row.pause_requested_at:  # otherwise it woke up and is to pause anew
        lifecycle.resume_paused(row)


def _list_open_slices(row: ExecutionRow) -> list[ExecutionRow]:
    """Return the open executions that process batches of an execution's loops."""
    return list(iterate_open_slices(UUID(row.organization_id), UUID(row.id)))


def require_execution(caller: Caller, execution_id: UUID, required: RequiredAccess) -> ExecutionRow:
    """Return the row of an execution when the caller has the required access.

    Raises ExecutionNotFound, and Forbidden where the caller may at least see it.
    """
    row = _load(caller, execution_id)
    access.require_execution(caller, row, required)
    return row


def _load(caller: Caller, execution_id: UUID) -> ExecutionRow:
    """Return the row of an execution of the caller's organization. Raises ExecutionNotFound."""
    at = ExecutionRow.at(caller.organization_id, execution_id)
    return table.require(ExecutionRow, at, ExecutionNotFound)


def _build_finished_error(caller: Caller, execution_id: UUID) -> AlreadyFinished:
    """Return the error that an execution has already finished, with its status. Raises ExecutionNotFound."""
    return AlreadyFinished(f"The execution is already {_load(caller, execution_id).status}.")
