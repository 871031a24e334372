"""The end of a workflow's run: completed, failed, cancelled or timeout. It is written once and never changes.

Whoever waits for the run is told, and what it waits for is stopped.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from weconnect import clock
from weconnect.approvals import service as approvals
from weconnect.db import table
from weconnect.errors import Conflict
from weconnect.executions import journal, lifecycle
from weconnect.executions.entities import OPEN, ExecutionError, ExecutionStatus
from weconnect.executions.lifecycle import ACTOR, Place
from weconnect.executions.rows import ExecutionRow, QuestionRow, QueueRow
from weconnect.workflows.rows import WorkflowRow


class Outcome(BaseModel):
    """How a run ends."""

    status: ExecutionStatus
    output: Any = None
    error: ExecutionError | None = None


def cancelled() -> ExecutionError:
    return ExecutionError(code="cancelled", message="The run was cancelled")


def finish(
    row: ExecutionRow,
    outcome: Outcome,
    records: list[journal.Record] | None = None,
    batch: int = 0,
    counts: dict[str, int] | None = None,
    condition: Any = None,
) -> bool:
    """End a run, with what is left of its journal, in one transaction; False when it had ended already.

    Then its workflow is counted, whoever waits for it is told, and its error workflow is started.
    """
    organization_id, execution_id, moment = UUID(row.organization_id), UUID(row.id), clock.now()
    if row.cancel_requested_at and outcome.status in (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED):
        outcome = Outcome(status=ExecutionStatus.CANCELLED, error=cancelled())
    started = datetime.fromisoformat(row.started_at) if row.started_at else moment
    counts = counts or {}
    days = lifecycle.days_left(row)
    values: dict[str, Any] = {
        "status": outcome.status.value,
        "output": _stored(row, "output", outcome.output, days),
        "error": outcome.error.model_dump(mode="json") if outcome.error else None,
        "finished_at": clock.iso(moment),
        "duration_ms": max(0, int((moment - started).total_seconds() * 1000)),
        "current_node_ids": [],
        **ExecutionRow.status_keys(organization_id, execution_id, outcome.status, bool(row.is_express)),
    }
    if outcome.status == ExecutionStatus.COMPLETED:
        values["progress"] = 100
    for name, status in (
        ("nodes_run", "completed"),
        ("nodes_failed", "failed"),
        ("nodes_skipped", "skipped"),
    ):
        if counts:
            values[name] = counts.get(status, 0) + (counts.get("failed", 0) if status == "completed" else 0)
    waited = row.status == ExecutionStatus.WAITING
    queued_at = row.queued_at
    writes = table.Transaction(ACTOR)
    if queued_at:
        values |= {"queued_at": None, "waits_for": None}
        writes.discard(QueueRow(*queued_at))
    still = lifecycle.is_open()
    writes.change(row, values, condition=still if condition is None else still & condition)
    if records:
        ttl = int(row.ttl or 0)
        writes.put(journal.row_of(organization_id, execution_id, batch, records, days, ttl))
    try:
        writes.commit()
    except Conflict:
        _tell(table.get(ExecutionRow, (row.pk, row.sk)))  # who ended it may have died before doing so
        return False
    if waited:
        _withdraw(organization_id, execution_id)
        if outcome.status == ExecutionStatus.CANCELLED:
            _stop_children(organization_id, execution_id)
    if not row.part:
        head = WorkflowRow(*WorkflowRow.at(organization_id, UUID(row.workflow_id)))
        table.touch(head, add={"execution_count": 1}, put={"last_executed_at": clock.iso(moment)})
    _tell(row)
    from weconnect.executions.concurrency import admission  # which needs us

    admission.after(row)
    return True


def stop(row: ExecutionRow, actor: dict[str, Any] = ACTOR) -> bool:
    """Ask a run to stop, with the runs that it waits for; False when it has ended.

    It does at once when it has not begun, waits or is paused, else at its next step.

    Where one of several branches is paused the others may be at work, so that such a run ends at its next step, too.
    """
    place = Place(UUID(row.organization_id), UUID(row.id))
    asked = {"cancel_requested_at": clock.iso(clock.now()), "actor": actor}
    if not table.touch(row, put=asked, condition=lifecycle.is_open()):
        return False
    row = place.row()
    waits = row.status in (ExecutionStatus.WAITING, ExecutionStatus.PAUSED)
    waiting = lifecycle.callbacks_of(place) if waits else []
    at_work = row.status == ExecutionStatus.PAUSED and any(each.is_branch for each in waiting)
    if row.status != ExecutionStatus.RUNNING and not at_work:
        outcome = Outcome(status=ExecutionStatus.CANCELLED, error=cancelled())
        finish(row, outcome, condition=ExecutionRow.status == row.status)
    else:
        _stop_children(place.organization_id, place.id)
    for each in waiting:  # so that its function ends as well
        lifecycle.wake(each.callback_id, {"cancelled": True})
    return True


def _withdraw(organization_id: UUID, execution_id: UUID) -> None:
    """Take back the questions that nobody has decided."""
    pk, prefix = QuestionRow.of_run(organization_id, execution_id)
    rows = QuestionRow.query(pk, QuestionRow.sk.startswith(prefix), consistent_read=True)
    approvals.withdraw(organization_id, [UUID(question.approval_id) for question in rows], ACTOR)


def _stop_children(organization_id: UUID, execution_id: UUID) -> None:
    from weconnect.workflows.engine import child_executions  # which needs us

    child_executions.stop(organization_id, execution_id)


def _tell(row: ExecutionRow | None) -> None:
    """Tell whoever waits for a run that it has ended; again, that is harmless."""
    if row is None or row.status in OPEN:
        return
    # Read again: who waits for it may have said so since the row was read.
    if callback_id := row.parent_callback or (row.mode == "subworkflow" and _callback(row)):
        lifecycle.wake(callback_id, {"executionId": row.id})
    failed = row.status in (ExecutionStatus.FAILED, ExecutionStatus.TIMEOUT)
    if failed and row.error_workflow_id and not row.handles_error:
        from weconnect.executions import starting  # which needs us

        starting.start_for_error(row)


def _callback(row: ExecutionRow) -> str | None:
    found = table.get(ExecutionRow, (row.pk, row.sk))
    return found.parent_callback if found else None


def _stored(row: ExecutionRow, name: str, value: Any, days: int) -> Any:
    if value is None:
        return None
    return lifecycle.store_text(UUID(row.organization_id), UUID(row.id), name, value, days)
