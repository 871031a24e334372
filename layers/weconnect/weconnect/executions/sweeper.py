"""Executions of workflows that nothing executes any more: started again, or completed."""

from typing import Literal
from uuid import UUID

from weconnect import clock, ids
from weconnect.db import table
from weconnect.executions import followups
from weconnect.executions.completion import Completion
from weconnect.executions.concurrency import admission
from weconnect.executions.entities import ExecutionError, ExecutionStatus
from weconnect.executions.rows import ExecutionRow

SWEEP_AFTER_SECONDS = 30
INTERRUPTED_AFTER_SECONDS = 60
SHARDS = "0123456789abcdef"


def sweep() -> int:
    """Admit queued executions, start pending ones again, and complete interrupted express ones; return how many.

    An express execution is interrupted when the function of its caller ended before it.
    """
    swept = followups.admit_all_queued()
    for shard in SHARDS:
        for row in _list_older("pending", shard, SWEEP_AFTER_SECONDS):
            admission.invoke(row)
            swept += 1
        for row in _list_older("express", shard, INTERRUPTED_AFTER_SECONDS):
            message = "The function that executed it has ended; its result was reported to nobody"
            swept += followups.complete_execution(
                row, Completion.failed("interrupted", message, retryable=True)
            )
    return swept


def close(durable_name: str, platform_status: str, message: str) -> bool:
    """Complete an execution whose durable function ended without doing so.

    `platform_status` is that of the durable execution, such as `TIMED_OUT` or `FAILED`. Return False when the
    execution was completed before, or the name is not one of a workflow's execution.
    """
    if len(durable_name) != 64:
        return False
    row = table.get(ExecutionRow, ExecutionRow.at(UUID(durable_name[:32]), UUID(durable_name[32:])))
    if row is None:
        return False
    if row.cancel_requested_at:
        return followups.complete_execution(row, Completion.cancelled())
    status = ExecutionStatus.TIMEOUT if platform_status == "TIMED_OUT" else ExecutionStatus.FAILED
    error = ExecutionError(code="platform_" + platform_status.lower(), message=message, retryable=True)
    return followups.complete_execution(row, Completion(status=status, error=error))


def _list_older(state: Literal["pending", "express"], shard: str, seconds: int) -> list[ExecutionRow]:
    """Return the executions of a state that were started more than `seconds` ago."""
    oldest = str(ids.lowest_id(clock.epoch_seconds() - seconds))
    partition = ExecutionRow.sweeper_partition(state, shard)
    return list(ExecutionRow.gsi2.query(partition, ExecutionRow.gsi2sk < oldest))
