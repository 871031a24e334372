"""The completion of an execution: its final status, written once. `followups` does what is to follow it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel
from pynamodb.expressions.condition import Condition

from weconnect import clock
from weconnect.db import table
from weconnect.db.payloads import StoredText
from weconnect.errors import Conflict
from weconnect.executions import lifecycle
from weconnect.executions.entities import OPEN_STATUSES, ExecutionError, ExecutionStatus
from weconnect.executions.lifecycle import ACTOR
from weconnect.executions.rows import ExecutionRow, QueueRow
from weconnect.executions.stored_values import count_days_left, store_value
from weconnect.workflows.executions import journal
from weconnect.workflows.executions.journal import JournalEntry
from weconnect.workflows.rows import WorkflowRow


class Completion(BaseModel):
    """The end of an execution: its final status, with its output or its error."""

    status: ExecutionStatus
    output: Any = None
    error: ExecutionError | None = None

    @classmethod
    def failed(cls, code: str, message: str, *, retryable: bool = False) -> Self:
        """Return the end of an execution that has failed; the message is cut to 2,000 characters."""
        error = ExecutionError(code=code, message=message[:2_000], retryable=retryable)
        return cls(status=ExecutionStatus.FAILED, error=error)

    @classmethod
    def cancelled(cls) -> Self:
        """Return the end of an execution that was cancelled."""
        error = ExecutionError(code="cancelled", message="The execution was cancelled")
        return cls(status=ExecutionStatus.CANCELLED, error=error)


@dataclass(frozen=True)
class UnwrittenJournal:
    """The rest of a journal, written with the completion: its last batch, and the number of node runs by status."""

    entries: list[JournalEntry]
    batch: int
    counts: dict[str, int]


@dataclass(frozen=True)
class Followups:
    """The actions that follow the completion of an execution; none when `row` is None.

    Waking the parent and starting the error workflow are idempotent, and repeated when an execution is completed a
    second time, because the process that completed it first may have crashed before them.
    """

    row: ExecutionRow | None
    is_first: bool
    """This call completed the execution: its slots are to be released."""
    withdraws_approvals: bool = False
    cancels_children: bool = False

    @property
    def starts_error_workflow(self) -> bool:
        """Return whether it failed or timed out, names an error workflow, and was not started for an error itself."""
        row = self.row
        has_failed = row is not None and row.status in (ExecutionStatus.FAILED, ExecutionStatus.TIMEOUT)
        return has_failed and row is not None and bool(row.error_workflow_id) and not row.handles_error


def write_completion(
    row: ExecutionRow,
    completion: Completion,
    unwritten: UnwrittenJournal | None = None,
    condition: Condition | None = None,
) -> Followups:
    """Write the end of an execution with the rest of its journal in one transaction; return what is to follow.

    Nothing is written unless the execution is open and `condition` holds. An execution whose cancellation was requested
    ends as cancelled.
    """
    if row.cancel_requested_at and completion.status in (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED):
        completion = Completion.cancelled()
    was_waiting = row.status == ExecutionStatus.WAITING
    writes = table.Transaction(ACTOR)
    values = _build_final_values(row, completion, unwritten)
    if queued_at := row.queued_at:
        values |= {"queued_at": None, "waits_for": None}
        writes.discard(QueueRow(queued_at[0], queued_at[1]))
    is_open = lifecycle.build_open_condition()
    writes.change(row, values, condition=is_open if condition is None else is_open & condition)
    if unwritten and unwritten.entries:
        writes.put(_build_journal_row(row, unwritten))
    try:
        writes.commit()
    except Conflict:
        present = table.get(ExecutionRow, (row.pk, row.sk))
        return Followups(present if present and present.status not in OPEN_STATUSES else None, is_first=False)
    if not row.part:
        _count_workflow(row)
    return Followups(
        row,
        is_first=True,
        withdraws_approvals=was_waiting,
        cancels_children=was_waiting and completion.status == ExecutionStatus.CANCELLED,
    )


def _build_final_values(
    row: ExecutionRow, completion: Completion, unwritten: UnwrittenJournal | None
) -> dict[str, Any]:
    """Return the values of the row's fields at its end; `duration_ms` includes the time that it waited."""
    organization_id, execution_id, moment = UUID(row.organization_id), UUID(row.id), clock.now()
    started = datetime.fromisoformat(row.started_at) if row.started_at else moment
    values: dict[str, Any] = {
        "status": completion.status.value,
        "output": _store_output(row, completion.output),
        "error": completion.error.model_dump(mode="json") if completion.error else None,
        "finished_at": clock.iso(moment),
        "duration_ms": max(0, int((moment - started).total_seconds() * 1000)),
        "current_node_ids": [],
        **ExecutionRow.status_keys(organization_id, execution_id, completion.status, bool(row.is_express)),
    }
    if completion.status == ExecutionStatus.COMPLETED:
        values["progress"] = 100
    if unwritten and (counts := unwritten.counts):
        values["nodes_run"] = counts.get("completed", 0) + counts.get("failed", 0)
        values["nodes_failed"] = counts.get("failed", 0)
        values["nodes_skipped"] = counts.get("skipped", 0)
    return values


def _store_output(row: ExecutionRow, output: Any) -> StoredText | None:
    """Store the output of an execution; return its text or the pointer to a long one, and None for no output."""
    if output is None:
        return None
    return store_value(UUID(row.organization_id), UUID(row.id), "output", output, count_days_left(row))


def _build_journal_row(row: ExecutionRow, unwritten: UnwrittenJournal) -> Any:
    """Return the row of the last batch of node runs, which expires with the execution."""
    organization_id, execution_id = UUID(row.organization_id), UUID(row.id)
    days, ttl = count_days_left(row), int(row.ttl or 0)
    return journal.build_row(organization_id, execution_id, unwritten.batch, unwritten.entries, days, ttl)


def _count_workflow(row: ExecutionRow) -> None:
    """Add one to the workflow's `execution_count` and set when it was last executed."""
    head = WorkflowRow(*WorkflowRow.at(UUID(row.organization_id), UUID(row.workflow_id)))
    table.touch(head, add={"execution_count": 1}, put={"last_executed_at": clock.iso(clock.now())})
