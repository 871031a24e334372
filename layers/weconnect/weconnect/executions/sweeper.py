"""Runs of workflows that nobody carries on: started again, or closed."""

from uuid import UUID

from weconnect import clock, ids
from weconnect.db import table
from weconnect.executions import completion
from weconnect.executions.completion import Outcome
from weconnect.executions.concurrency import admission
from weconnect.executions.entities import ExecutionError, ExecutionStatus
from weconnect.executions.rows import ExecutionRow

SWEEP_AFTER_SECONDS = 30
INTERRUPTED_AFTER_SECONDS = 60
SHARDS = "0123456789abcdef"


def sweep() -> int:
    """Let in runs that wait for a place there is, start runs again that were stored and never began, and end those that
    were carried out in the time of a caller whose function is gone; answers how many.
    """
    swept = admission.serve_all()
    for shard in SHARDS:
        for row in _older("pending", shard, SWEEP_AFTER_SECONDS):
            admission.invoke(row)
            swept += 1
        for row in _older("express", shard, INTERRUPTED_AFTER_SECONDS):
            text = "The function that carried it out is gone; nobody was told that it would end"
            error = ExecutionError(code="interrupted", message=text, retryable=True)
            swept += completion.finish(row, Outcome(status=ExecutionStatus.FAILED, error=error))
    return swept


def close(name: str, platform_status: str, message: str) -> bool:
    """End a run whose durable function ended without doing so; False when it is closed, or none of ours."""
    if len(name) != 64:
        return False
    row = table.get(ExecutionRow, ExecutionRow.at(UUID(name[:32]), UUID(name[32:])))
    if row is None:
        return False
    if row.cancel_requested_at:
        return completion.finish(row, Outcome(status=ExecutionStatus.CANCELLED, error=completion.cancelled()))
    timed_out = platform_status == "TIMED_OUT"
    status = ExecutionStatus.TIMEOUT if timed_out else ExecutionStatus.FAILED
    error = ExecutionError(code="platform_" + platform_status.lower(), message=message, retryable=True)
    return completion.finish(row, Outcome(status=status, error=error))


def _older(what: str, shard: str, seconds: int) -> list[ExecutionRow]:
    oldest = str(ids.lowest_id(clock.epoch() - seconds))
    at = ExecutionRow.of_sweeper(what, shard)
    return list(ExecutionRow.gsi2.query(at, ExecutionRow.gsi2sk < oldest))
