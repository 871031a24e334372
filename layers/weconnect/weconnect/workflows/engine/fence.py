"""The fence: what every step checks before it has an effect."""

from dataclasses import dataclass

from weconnect import clock
from weconnect.db import table
from weconnect.executions.entities import ExecutionStatus
from weconnect.executions.lifecycle import may_continue
from weconnect.workflows.engine.execution_snapshot import ExecutionSnapshot
from weconnect.workflows.executions.rows import ExecutionKey, WorkflowExecutionRow

EXPRESS_SECONDS = 25.0  # a route has 29


@dataclass(frozen=True)
class FenceVerdict:
    """The reason for a step to have no effect: the execution ends with `end_status`, or is to pause."""

    end_status: ExecutionStatus | None = None
    is_paused: bool = False


def check_fence(
    key: ExecutionKey, snapshot: ExecutionSnapshot, suspended_seconds: float
) -> FenceVerdict | None:
    """Return why an execution may not continue, or None when it may.

    Its time limit leaves out the `suspended_seconds` in which it waited.
    """
    row = table.get(WorkflowExecutionRow, key.row_key)
    if row is None or not may_continue(row):
        return FenceVerdict(ExecutionStatus.CANCELLED)
    used = snapshot.seconds_used_before() + clock.now().timestamp() - snapshot.started_at
    limit = snapshot.definition.settings.timeout_seconds + suspended_seconds
    if snapshot.is_express:
        limit = min(limit, EXPRESS_SECONDS)
    if used >= limit:
        return FenceVerdict(ExecutionStatus.TIMEOUT)
    if row.pause_requested_at and not snapshot.is_express:
        return FenceVerdict(is_paused=True)
    return None
