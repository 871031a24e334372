"""Requests to cancel an execution. `followups` does what is to follow them."""

from dataclasses import dataclass

from weconnect import clock
from weconnect.actor import Actor
from weconnect.db import table
from weconnect.executions import completion, endings, lifecycle
from weconnect.executions.completion import Followups
from weconnect.executions.entities import ExecutionStatus
from weconnect.executions.results import Completion
from weconnect.executions.rows import AnyRow, CallbackRow, ExecutionRow


@dataclass(frozen=True)
class Cancellation:
    """A requested cancellation: either the execution has ended with it, or it ends at its next step.

    `followups` follow an execution that has ended; without them its children are to be cancelled. `callbacks` are to
    be completed, so that its durable function ends as well. `is_marked`: it has started others, and its mark is to be
    removed when all of this is done.
    """

    followups: Followups | None
    callbacks: list[CallbackRow]
    is_marked: bool


def request_cancellation(row: AnyRow, actor: Actor) -> Cancellation | None:
    """Request the cancellation of an execution; return None when it has ended.

    One that has not begun, waits or is paused ends at once, any other at its next step. Where one of several parallel
    branches is paused, the others may be executing, so such an execution ends at its next step, too.
    """
    request = {"cancel_requested_at": clock.iso(clock.now()), "actor": actor}
    if not table.touch(row, put=request, condition=lifecycle.build_open_condition()):
        return None
    row = lifecycle.reload(row)
    is_marked = row.status != ExecutionStatus.PENDING and endings.mark_parent(row)
    is_waiting = row.status in (ExecutionStatus.WAITING, ExecutionStatus.PAUSED)
    callbacks = lifecycle.list_open_callbacks(row) if is_waiting else []
    has_active_branch = row.status == ExecutionStatus.PAUSED and any(each.is_branch for each in callbacks)
    followups = None
    if row.status != ExecutionStatus.RUNNING and not has_active_branch:
        # Only as it stands: an execution that moved on meanwhile ends at its next step.
        followups = completion.write_completion(
            row, Completion.cancelled(), condition=ExecutionRow.status == row.status
        )
    return Cancellation(followups, callbacks, is_marked)
