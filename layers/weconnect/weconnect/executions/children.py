"""Runs of workflows that another run waits for, of a workflow or of an agent: stored, let go, looked for, stopped."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from weconnect import ids, table
from weconnect.errors import Conflict, Invalid, NotFound
from weconnect.executions import admission, ending, lifecycle, service, starting
from weconnect.executions.entities import MAX_DEPTH, OPEN
from weconnect.executions.lifecycle import ACTOR
from weconnect.executions.rows import ChildRow, ExecutionRow
from weconnect.table import Row
from weconnect.workflows.contract import NodeError
from weconnect.workflows.entities import WorkflowVersion
from weconnect.workflows.rows import WorkflowRow


def store(parent: Row, place: str, workflow_id: UUID, value: Any) -> UUID:
    """Store a run that another run waits for at a place of its own; again, it is the same run.

    `announce` starts it. Raises NodeError for a step to keep.
    """
    organization_id = UUID(parent.organization_id)
    if int(parent.depth or 0) + 1 > MAX_DEPTH:
        raise NodeError("too_deep", f"Runs start each other at most {MAX_DEPTH} deep")
    try:
        row = _row(*starting.active(organization_id, workflow_id), parent, place, value)
        # Before the run: who stops the parent finds it, or `announce` sees that the parent is to stop.
        pk, sk = ChildRow.at(organization_id, UUID(parent.id), UUID(row.id))
        table.put(ChildRow(pk=pk, sk=sk, id=row.id, ttl=parent.ttl), ACTOR)
        row = admission.store_once(row, -1)
    except (NotFound, Conflict, Invalid) as problem:
        passes = problem.code == "concurrency_limit"
        raise NodeError(problem.code, problem.detail, retryable=passes) from problem
    return UUID(row.id)


def announce(
    organization_id: UUID, execution_id: UUID, callback_id: str, *, is_stopped: bool = False
) -> None:
    """Start a stored run whose end is to complete a callback, unless the run that waits for it `is_stopped`.

    One that has ended meanwhile completes the callback at once.
    """
    at = ExecutionRow.at(organization_id, execution_id)
    table.touch(ExecutionRow(*at), put={"parent_callback": callback_id})
    row = table.need(ExecutionRow, at, "execution")
    if row.status not in OPEN:
        lifecycle.wake(callback_id, {"executionId": row.id})
    elif is_stopped:
        ending.stop(row)
    else:
        admission.invoke(row)


def result(parent: Row, place: str) -> dict[str, Any]:
    """How the run stands that was stored at this place: `{"executionId", "status", "output", "error"}`.

    Nobody waits for one that is still open then, so it is stopped.
    """
    organization_id, child_id = UUID(parent.organization_id), id_at(parent, place)
    row = table.get(ExecutionRow, ExecutionRow.at(organization_id, child_id))
    if row is None:
        raise NodeError("subworkflow_gone", "Its run is not kept any more")
    execution = service.entity(row)
    if row.status in OPEN:
        ending.stop(row)
    error = execution.error.wire() if execution.error else None
    return {
        "executionId": row.id,
        "status": execution.status.value,
        "output": execution.output,
        "error": error,
    }


def open_of(organization_id: UUID, parent_id: UUID) -> list[ExecutionRow]:
    """The runs of workflows that a run waits for and that have not ended."""
    pk, prefix = ChildRow.of_parent(organization_id, parent_id)
    names = ChildRow.query(pk, ChildRow.sk.startswith(prefix), consistent_read=True)
    found = [table.get(ExecutionRow, ExecutionRow.at(organization_id, UUID(name.id))) for name in names]
    return [row for row in found if row and row.status in OPEN]


def stop(organization_id: UUID, parent_id: UUID) -> None:
    """Let all that a run waits for stop: runs of workflows, and of the agents in its nodes."""
    for row in open_of(organization_id, parent_id):
        ending.stop(row)
    from weconnect.agents import stopping  # which needs us

    stopping.stop_nested(organization_id, parent_id)


def id_at(parent: Row, place: str) -> UUID:
    """The id of what a run starts at a place: the same at each try."""
    return ids.derived_from(UUID(parent.id), place)


def _row(head: WorkflowRow, version: WorkflowVersion, parent: Row, place: str, value: Any) -> ExecutionRow:
    """The row of the run. It needs no place of a gate that a run above it has passed."""
    settings = version.definition.settings
    row = starting.new_row(
        head,
        version.number,
        id_at(parent, place),
        UUID(parent.user_id),
        value,
        starting.days_of(settings, lifecycle.days_left(parent)),
        mode="subworkflow",
        settings=settings,
        concurrency=admission.asked(settings, value),
        api_key_id=parent.api_key_id,
        parent_execution_id=parent.id,
        parent_key=[parent.pk, parent.sk],
        depth=int(parent.depth or 0) + 1,
        # Or its own error workflow could come back to the run that handles an error.
        handles_error=isinstance(parent, ExecutionRow) and bool(parent.handles_error),
    )
    if row.concurrency and any(admission.is_same(row, above) for above in _above(parent)):
        row.concurrency = None
    return row


def _above(row: Row) -> Iterator[ExecutionRow]:
    """A run of a workflow and those that wait for it, through agents as well."""
    while True:
        if isinstance(row, ExecutionRow):
            yield row
        if not row.parent_key:
            return
        at = (row.parent_key[0], row.parent_key[1])
        found = table.get_many([at]).get(at)
        if found is None:
            return
        row = found
