"""Runs of workflows: read, list, cancel, pause, resume, delete. They are started in `starting` and done in `engine`."""

import time
from datetime import datetime
from uuid import UUID

from weconnect import clock, ids, payloads, table
from weconnect.caller import Caller
from weconnect.errors import Conflict, Unavailable
from weconnect.executions import journal, lifecycle
from weconnect.executions.entities import (
    OPEN,
    Execution,
    ExecutionMode,
    ExecutionStatus,
    ExecutionWithNodes,
)
from weconnect.executions.rows import ExecutionRow, of_run
from weconnect.organizations.permissions import require_own
from weconnect.pages import Page, query_page
from weconnect.table import Row

GOING_ON = frozenset({ExecutionStatus.PENDING, ExecutionStatus.RUNNING})


def wait(caller: Caller, execution: Execution, seconds: int) -> Execution:
    """Look again, ever less often, until the run has ended, waits for somebody, or `seconds` are over."""
    until, pause = time.monotonic() + seconds, 0.05
    while execution.status in GOING_ON and time.monotonic() < until:
        time.sleep(max(0, min(pause, until - time.monotonic())))
        pause = min(1.0, pause * 1.5)
        execution = entity(need(caller, execution.id))
    return execution


def get(caller: Caller, execution_id: UUID) -> ExecutionWithNodes:
    """A run with a summary of each node run."""
    execution = entity(need(caller, execution_id))
    found = journal.records_of(caller.organization_id, execution_id)
    nodes = [journal.summary(record) for record in found]
    return ExecutionWithNodes(**execution.model_dump(), nodes=nodes)


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
    """Runs of the organization, newest first, long texts left out; `from` and `to` bound their start."""
    organization_id = caller.organization_id
    index, pk = "gsi1", ExecutionRow.of_organization(organization_id)
    if workflow_id:
        index, pk = "gsi3", ExecutionRow.of_workflow(organization_id, workflow_id)
    elif status and status not in (*GOING_ON, ExecutionStatus.COMPLETED):
        index, pk = "gsi2", ExecutionRow.by_status(organization_id, status)
    low, high = after.timestamp() if after else 0, before.timestamp() if before else 2**33

    def keep(row: ExecutionRow) -> bool:
        return (
            (status is None or row.status == status)
            and (mode is None or row.mode == mode)
            and low <= ids.time_of(UUID(row.id)) < high
        )

    filters = [workflow_id, status, mode, after, before]
    rows, following = query_page(
        ExecutionRow,
        pk,
        index=index,
        limit=limit,
        cursor=cursor,
        keep=keep if any(value is not None for value in filters[1:]) else None,
        filters=filters,
        between=(str(ids.lowest_id(low)), str(ids.lowest_id(min(high, 2**33)))) if after or before else None,
    )
    return Page(items=[entity(row, whole=False) for row in rows], next_cursor=following)


def delete(caller: Caller, execution_id: UUID) -> None:
    """Delete a finished run with its journal; raises Conflict `still_open`."""
    row = need(caller, execution_id)
    if row.status in OPEN:
        raise Conflict(f"The run is {row.status}; cancel it first", code="still_open")
    for name in ("input", "output"):
        if (text := getattr(row, name)) is not None:
            payloads.discard(caller.organization_id, text)
    journal.discard(caller.organization_id, execution_id)
    pk = of_run(caller.organization_id, execution_id)
    rest = [found for found in Row.query(pk, consistent_read=True) if found.sk != row.sk]
    with Row.batch_write() as batch:
        for found in rest:
            batch.delete(found)
    with table.transaction(caller.actor()) as writes:
        writes.delete(row)


def cancel(caller: Caller, execution_id: UUID) -> Execution:
    """Ask a run to stop: at once when it has not begun, waits or is paused, else at its next step.

    Raises Conflict `already_finished`.
    """
    if not lifecycle.cancel(need_own(caller, execution_id)):
        raise Conflict(f"The run is {need(caller, execution_id).status}", code="already_finished")
    return entity(need(caller, execution_id))


def pause(caller: Caller, execution_id: UUID) -> Execution:
    """Hold a run at its next step; raises Conflict for one that has ended or is carried out while its caller waits."""
    row = need_own(caller, execution_id)
    if row.is_express:
        raise Conflict("The run is carried out while its caller waits", code="express")
    asked = {"pause_requested_at": clock.iso(clock.now())}
    if not table.touch(row, put=asked, condition=ExecutionRow.status.is_in(*[each.value for each in OPEN])):
        raise Conflict(f"The run is {need(caller, execution_id).status}", code="already_finished")
    return entity(need(caller, execution_id))


def resume(caller: Caller, execution_id: UUID) -> Execution:
    """Go on with a paused run, or take back a pause that has not come yet; raises Conflict `not_paused`."""
    row = need_own(caller, execution_id)
    if row.status not in OPEN or not (row.status == ExecutionStatus.PAUSED or row.pause_requested_at):
        raise Conflict(f"The run is {row.status}", code="not_paused")
    table.touch(row, put={"pause_requested_at": None})  # first, or a branch that comes to it now would pause
    place = lifecycle.Place(caller.organization_id, execution_id)
    for waiting in lifecycle.callbacks_of(place, paused_only=True):
        if not lifecycle.wake(waiting.callback_id, {"resumed": True}):
            raise Unavailable("The run could not be woken; try again shortly")
    row = place.row()
    if not row.pause_requested_at:  # else it woke up, and pauses anew
        lifecycle.resume(row)
    return entity(need(caller, execution_id))


def is_open(row: ExecutionRow) -> bool:
    """Whether a run has not ended."""
    return row.status in OPEN


def need(caller: Caller, execution_id: UUID) -> ExecutionRow:
    """The row of a run."""
    return table.need(ExecutionRow, ExecutionRow.at(caller.organization_id, execution_id), "execution")


def need_own(caller: Caller, execution_id: UUID) -> ExecutionRow:
    """The row of a run that the caller may steer: a plain member only those that they started (403)."""
    row = need(caller, execution_id)
    require_own(caller, UUID(row.user_id))
    return row


def entity(row: ExecutionRow, *, whole: bool = True) -> Execution:
    """The run on the wire; in lists input and output are left out."""
    values = row.values()
    for name in ("input", "output"):
        values.pop(name, None)
        if whole:
            values[name] = lifecycle.loaded(row, name)
    return Execution.model_validate(values, by_name=True)
