"""Runs of workflows that another run waits for, of a workflow or of an agent: stored, let go, looked for, stopped."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from weconnect import ids
from weconnect.db import table
from weconnect.db.table import Row
from weconnect.errors import Conflict, Invalid, NotFound
from weconnect.executions import completion, lifecycle, service, starting
from weconnect.executions.concurrency import admission
from weconnect.executions.entities import MAX_DEPTH, OPEN
from weconnect.executions.lifecycle import ACTOR, Part, Pinned
from weconnect.executions.rows import ChildRow, ExecutionRow
from weconnect.workflows.entities import WorkflowSettings, WorkflowVersion
from weconnect.workflows.node_sdk.node_type import NodeError
from weconnect.workflows.rows import WorkflowRow


def store(parent: Row, place: str, workflow_id: UUID, value: Any) -> UUID:
    """Store a run that another run waits for at a place of its own; again, it is the same run.

    `announce` starts it. Raises NodeError for a step to keep.
    """
    if int(parent.depth or 0) + 1 > MAX_DEPTH:
        raise NodeError("too_deep", f"Runs start each other at most {MAX_DEPTH} deep")
    try:
        head, version = starting.active(UUID(parent.organization_id), workflow_id)
        return _stored(parent, _row(head, version, parent, place, value))
    except (NotFound, Conflict, Invalid) as problem:
        passes = problem.code == "concurrency_limit"
        raise NodeError(problem.code, problem.detail, retryable=passes) from problem


def store_part(parent: ExecutionRow, place: str, part: Part, pinned: Pinned) -> UUID:
    """Store a run that does batches of a loop for another, as a part of that: of the same version and depth, it is not
    counted, takes no place, and what fails in it is the other's error. Again, it is the same run.
    """
    organization_id, part_id, days = UUID(parent.organization_id), id_at(parent, place), pinned.retention_days
    head = WorkflowRow(
        organization_id=parent.organization_id, id=parent.workflow_id, name=parent.workflow_name
    )
    known = {
        "part": part.model_dump(mode="json", exclude={"items"}),
        "variables": pinned.variables.model_dump(mode="json"),
    }
    row = starting.new_row(
        head,
        pinned.workflow_version,
        part_id,
        pinned.user_id,
        part.items,
        days,
        mode="subworkflow",
        settings=WorkflowSettings(),
        input_bytes=None,
        api_key_id=parent.api_key_id,
        parent_execution_id=parent.id,
        parent_key=[parent.pk, parent.sk],
        depth=int(parent.depth or 0),
        keeps=str(ids.derived_from(pinned.kept_from, place)) if pinned.kept_from else None,
        part=lifecycle.store_text(organization_id, part_id, "part", known, days),
    )
    return _stored(parent, row)


def _stored(parent: Row, row: ExecutionRow) -> UUID:
    # Before the run: who stops the parent finds it, or `announce` sees that the parent is to stop.
    pk, sk = ChildRow.at(UUID(parent.organization_id), UUID(parent.id), UUID(row.id))
    table.put(ChildRow(pk=pk, sk=sk, id=row.id, ttl=parent.ttl), ACTOR)
    return UUID(admission.store_once(row, -1).id)


def announce(
    organization_id: UUID, execution_id: UUID, callback_id: str, *, is_stopped: bool = False
) -> None:
    """Start a stored run whose end is to complete a callback, unless the run that waits for it `is_stopped`.

    One that has ended meanwhile completes the callback at once, and one that is a part of a run is paused with it.
    """
    at = ExecutionRow.at(organization_id, execution_id)
    table.touch(ExecutionRow(*at), put={"parent_callback": callback_id})
    row = table.need(ExecutionRow, at, "execution")
    if row.part and (paused_at := _paused_at(row)):
        table.touch(row, put={"pause_requested_at": paused_at})
        if not _paused_at(row):  # who resumes the other has not seen that
            table.touch(row, put={"pause_requested_at": None})
    if row.status not in OPEN:
        lifecycle.wake(callback_id, {"executionId": row.id})
    elif is_stopped:
        completion.stop(row)
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
        completion.stop(row)
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


def open_parts(organization_id: UUID, run_id: UUID) -> Iterator[ExecutionRow]:
    """The runs that have not ended and do batches of a run's loops, or of loops within those."""
    for row in open_of(organization_id, run_id):
        if row.part:
            yield row
            yield from open_parts(organization_id, UUID(row.id))


def stop(organization_id: UUID, parent_id: UUID) -> None:
    """Let all that a run waits for stop: runs of workflows, and of the agents in its nodes."""
    for row in open_of(organization_id, parent_id):
        completion.stop(row)
    from weconnect.agents.engine import cancellation  # which needs us

    cancellation.stop_nested(organization_id, parent_id)


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


def _paused_at(part: ExecutionRow) -> str | None:
    """Since when the run that this one is a part of is to pause."""
    at = (part.parent_key[0], part.parent_key[1])
    found: str | None = table.need(ExecutionRow, at, "execution").pause_requested_at
    return found


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
