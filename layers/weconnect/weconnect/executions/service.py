"""Runs of workflows: read, list, cancel, pause, resume, delete. They are started in `starting` and done in `engine`."""

import time
from datetime import datetime
from uuid import UUID

from weconnect import clock, ids
from weconnect.api.caller import Caller
from weconnect.api.pagination import Page, query_page
from weconnect.db import payloads, table
from weconnect.db.table import Row
from weconnect.errors import Conflict, Unavailable
from weconnect.executions import completion, journal, lifecycle
from weconnect.executions.concurrency import admission
from weconnect.executions.entities import (
    OPEN,
    Execution,
    ExecutionMode,
    ExecutionStatus,
    ExecutionWithNodes,
)
from weconnect.executions.rows import DeletedRunRow, ExecutionRow, of_run
from weconnect.workflows.sharing import access, listing
from weconnect.workflows.sharing.access import Need

KNOWN_SECONDS = 5 * 86_400  # longer than stream and queue keep an event
GOING_ON = frozenset({ExecutionStatus.PENDING, ExecutionStatus.RUNNING})


def wait(caller: Caller, execution: Execution, seconds: int) -> Execution:
    """Look again, ever less often, until the run has ended, waits for somebody, or `seconds` are over."""
    until, pause = time.monotonic() + seconds, 0.05
    while execution.status in GOING_ON and time.monotonic() < until:
        time.sleep(max(0, min(pause, until - time.monotonic())))
        pause = min(1.0, pause * 1.5)
        execution = entity(_row(caller, execution.id))
    return execution


def get(caller: Caller, execution_id: UUID) -> ExecutionWithNodes:
    """A run with a summary of each node run, and, while it waits for a place, how many are let in before it."""
    row = need(caller, execution_id, access.SEE_RUN)
    nodes = journal.summaries(caller.organization_id, execution_id)
    position = admission.position(row) if row.waits_for else None
    return ExecutionWithNodes(**entity(row).model_dump(), nodes=nodes, queue_position=position)


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
    """Runs of the organization, newest first, long texts left out; `from` and `to` bound their start.

    Who may not read all of them finds those that they began, of workflows that a share lets them run.
    """
    index, pk = place(caller.organization_id, workflow_id, status)
    mine = None
    if not caller.may(access.SEE_RUN.word):
        mine = {str(row.id) for row in listing.heads(caller, access.SEE_RUN)}
    low, high = after.timestamp() if after else 0, before.timestamp() if before else 2**33

    def keep(row: ExecutionRow) -> bool:
        return (
            (mine is None or (row.user_id == str(caller.user_id) and row.workflow_id in mine))
            and (status is None or row.status == status)
            and (mode is None or row.mode == mode)
            and low <= ids.time_of(UUID(row.id)) < high
        )

    filters = [workflow_id, status, mode, after, before, None if mine is None else caller.user_id]
    rows, following = query_page(
        ExecutionRow,
        pk,
        index=index,
        limit=limit,
        cursor=cursor,
        keep=keep if mine is not None or any(value is not None for value in filters[1:]) else None,
        filters=filters,
        between=(str(ids.lowest_id(low)), str(ids.lowest_id(min(high, 2**33)))) if after or before else None,
    )
    return Page(items=[entity(row, whole=False) for row in rows], next_cursor=following)


def place(organization_id: UUID, workflow_id: UUID | None, status: ExecutionStatus | None) -> tuple[str, str]:
    """The index and the partition that have all runs of a workflow, or of a status, and the fewest others."""
    if workflow_id:
        return "gsi3", ExecutionRow.of_workflow(organization_id, workflow_id)
    if status and status not in (*GOING_ON, ExecutionStatus.COMPLETED):
        return "gsi2", ExecutionRow.by_status(organization_id, status)
    return "gsi1", ExecutionRow.of_organization(organization_id)


def delete(caller: Caller, execution_id: UUID) -> None:
    """Delete a finished run with its journal, files and checkpoints; raises Conflict `still_open`."""
    row = need(caller, execution_id, access.DELETE_RUN)
    if row.status in OPEN:
        raise Conflict(f"The run is {row.status}; cancel it first", code="still_open")
    payloads.discard_all(caller.organization_id, f"runs/{execution_id}/")
    pk = of_run(caller.organization_id, execution_id)
    rest = [found for found in Row.query(pk, consistent_read=True) if found.sk != row.sk]
    with Row.batch_write() as batch:
        for found in rest:
            batch.delete(found)
    with table.transaction(caller.actor()) as writes:
        writes.delete(row)
        if row.mode == "event":  # which may come again, and would begin it anew
            pk, sk = DeletedRunRow.at(caller.organization_id, execution_id)
            writes.put(DeletedRunRow(pk=pk, sk=sk, ttl=clock.epoch() + KNOWN_SECONDS))


def cancel(caller: Caller, execution_id: UUID) -> Execution:
    """Ask a run to stop: at once when it has not begun, waits or is paused, else at its next step.

    Raises Conflict `already_finished`.
    """
    row = need(caller, execution_id, access.STEER_RUN)
    if not completion.stop(row, caller.actor()):
        raise Conflict(f"The run is {_row(caller, execution_id).status}", code="already_finished")
    return entity(_row(caller, execution_id))


def pause(caller: Caller, execution_id: UUID) -> Execution:
    """Hold a run, and what does batches of its loops, at the next step; raises Conflict for one that has ended or is
    carried out while its caller waits.
    """
    row = need(caller, execution_id, access.STEER_RUN)
    if row.is_express:
        raise Conflict("The run is carried out while its caller waits", code="express")
    asked = {"pause_requested_at": clock.iso(clock.now())}
    if not table.touch(row, put=asked, condition=lifecycle.is_open()):
        raise Conflict(f"The run is {_row(caller, execution_id).status}", code="already_finished")
    for part in _parts(row):
        table.touch(part, put=asked, condition=lifecycle.is_open())
    return entity(_row(caller, execution_id))


def resume(caller: Caller, execution_id: UUID) -> Execution:
    """Go on with a paused run, or take back a pause that has not come yet; raises Conflict `not_paused`."""
    row = need(caller, execution_id, access.STEER_RUN)
    if row.status not in OPEN or not (row.status == ExecutionStatus.PAUSED or row.pause_requested_at):
        raise Conflict(f"The run is {row.status}", code="not_paused")
    for each in [row, *_parts(row)]:
        _resume(each)
    return entity(_row(caller, execution_id))


def _resume(row: ExecutionRow) -> None:
    table.touch(row, put={"pause_requested_at": None})  # first, or a branch that comes to it now would pause
    place = lifecycle.Place(UUID(row.organization_id), UUID(row.id))
    for waiting in lifecycle.callbacks_of(place, paused_only=True):
        if not lifecycle.wake(waiting.callback_id, {"resumed": True}):
            raise Unavailable("The run could not be woken; try again shortly")
    row = place.row()
    if not row.pause_requested_at:  # else it woke up, and pauses anew
        lifecycle.resume(row)


def _parts(row: ExecutionRow) -> list[ExecutionRow]:
    from weconnect.workflows.engine import child_executions  # which needs us

    return list(child_executions.open_parts(UUID(row.organization_id), UUID(row.id)))


def is_open(row: ExecutionRow) -> bool:
    """Whether a run has not ended."""
    return row.status in OPEN


def need(caller: Caller, execution_id: UUID, need: Need) -> ExecutionRow:
    """The row of a run, for who may do this with it; raises NotFound or Forbidden as `access.require_run`."""
    row = _row(caller, execution_id)
    access.require_run(caller, row, need)
    return row


def _row(caller: Caller, execution_id: UUID) -> ExecutionRow:
    return table.need(ExecutionRow, ExecutionRow.at(caller.organization_id, execution_id), "execution")


def entity(row: ExecutionRow, *, whole: bool = True) -> Execution:
    """The run on the wire; in lists input and output are left out."""
    values = row.values()
    for name in ("input", "output"):
        values.pop(name, None)
        if whole:
            values[name] = lifecycle.loaded(row, name)
    return Execution.model_validate(values, by_name=True)
