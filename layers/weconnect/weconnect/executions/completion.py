"""The completion of an execution: its final status, written once. `followups` does what is to follow it."""

from dataclasses import dataclass

from pynamodb.expressions.condition import Condition

from weconnect.db import table
from weconnect.errors import Conflict, Unavailable
from weconnect.executions import lifecycle, retention
from weconnect.executions.entities import OPEN_STATUSES, ExecutionStatus
from weconnect.executions.kinds import kind_of
from weconnect.executions.lifecycle import ACTOR
from weconnect.executions.results import Completion
from weconnect.executions.rows import AnyRow, QueueRow

WRITE_ATTEMPTS = 3


@dataclass(frozen=True)
class Followups:
    """The actions that follow the completion of an execution; none when `row` is None.

    Waking the parent, cancelling children and starting the error workflow are idempotent, and repeated when an
    execution is completed a second time, because the process that completed it first may have crashed before them.
    """

    row: AnyRow | None
    is_first: bool
    """This call completed the execution: its slots are to be released."""
    withdraws_approvals: bool = False
    waited_for: str | None = None
    """The semaphore in whose queue it was."""

    @property
    def cancels_children(self) -> bool:
        """Return whether it may have left children behind: it has begun, and has not come to its end by itself."""
        row = self.row
        return row is not None and row.status != ExecutionStatus.COMPLETED and row.started_at is not None

    @property
    def starts_error_workflow(self) -> bool:
        """Return whether it failed or timed out, and was not started for an error itself."""
        row = self.row
        has_failed = row is not None and row.status in (ExecutionStatus.FAILED, ExecutionStatus.TIMEOUT)
        return has_failed and row is not None and not row.handles_error


def write_completion(
    row: AnyRow,
    completion: Completion,
    details: object | None = None,
    condition: Condition | None = None,
) -> Followups:
    """Write the end of an execution, with what its kind adds to it, in one transaction; return what is to follow.

    Nothing is written unless the execution is open and `condition` holds. `details` are what its kind writes beside
    output and error. After a request to cancel it, an execution ends as cancelled instead of completed or failed.
    """
    if row.cancel_requested_at and completion.status in (ExecutionStatus.COMPLETED, ExecutionStatus.FAILED):
        completion = Completion.cancelled()
    was_waiting, waited_for = row.status == ExecutionStatus.WAITING, row.waits_for
    try:
        _commit(row, completion, details, condition)
    except Conflict:
        present = table.get(type(row), (row.pk, row.sk))
        return Followups(present if present and present.status not in OPEN_STATUSES else None, is_first=False)
    return Followups(row, is_first=True, withdraws_approvals=was_waiting, waited_for=waited_for)


def _commit(row: AnyRow, completion: Completion, details: object | None, condition: Condition | None) -> None:
    """Write the end of an execution. Raises Conflict when it is not open, or `condition` does not hold.

    Tried again when the table does not respond: the work of the execution is done, and must not be lost. Where the
    first write had been executed after all, the second finds that the execution has ended.
    """
    kind = kind_of(row)
    values = {"status": completion.status.value, **kind.build_final_values(row, completion, details)}
    values |= retention.build_final_values(row, values)
    queued_at = row.queued_at
    if queued_at:
        values |= {"queued_at": None, "waits_for": None}
    is_open = lifecycle.build_open_condition()
    writes = table.Transaction(ACTOR)
    writes.change(row, values, condition=is_open if condition is None else is_open & condition)
    if queued_at:
        writes.discard(QueueRow(queued_at[0], queued_at[1]))
    kind.add_to_completion(writes, row, values, details)
    for attempts_left in reversed(range(WRITE_ATTEMPTS)):
        try:
            writes.commit()
            return
        except Unavailable:
            if not attempts_left:
                raise
