"""Runs that nobody carries on: started again, or closed."""

from datetime import timedelta

from weconnect import clock, ids
from weconnect.agents import executions
from weconnect.agents.entities import OPEN, ExecutionStatus
from weconnect.agents.rows import RUN_SHARDS, ExecutionRow
from weconnect.executions import approvals

SWEEP_AFTER_SECONDS = 30
ABANDONED_AFTER_SECONDS = 2 * 3_600


def sweep() -> int:
    """Start runs again that were stored and never began, close those that nobody works on, and send the answers that
    did not reach their runs; answers how many.
    """
    swept = approvals.deliver_again()
    for shard in RUN_SHARDS:
        for row in _open_since(ExecutionStatus.PENDING, shard, SWEEP_AFTER_SECONDS):
            executions.invoke(row)
            swept += 1
        oldest = clock.iso(clock.now() - timedelta(seconds=ABANDONED_AFTER_SECONDS))
        for row in _open_since(ExecutionStatus.RUNNING, shard, ABANDONED_AFTER_SECONDS):
            if row.updated_at > oldest:  # it waited for somebody, and goes on
                continue
            executions.finish(
                row,
                ExecutionStatus.TIMEOUT,
                error="Nothing was heard of the run for two hours",
                error_code="lost",
            )
            swept += 1
    return swept


def close(execution_id: str, platform_status: str, error: str) -> bool:
    """End a run whose durable function ended without doing so; False when it is closed or unknown."""
    shard = ExecutionRow.shard(execution_id)
    for status in OPEN:
        at = ExecutionRow.open(status.value, shard)
        for row in ExecutionRow.gsi3.query(at, ExecutionRow.gsi3sk == execution_id):
            ended = ExecutionStatus.TIMEOUT if platform_status == "TIMED_OUT" else ExecutionStatus.FAILED
            return executions.finish(
                row, ended, error=error, error_code="platform_" + platform_status.lower()
            )
    return False


def _open_since(status: ExecutionStatus, shard: str, seconds: int) -> list[ExecutionRow]:
    oldest = str(ids.lowest_id(clock.epoch() - seconds))
    return list(ExecutionRow.gsi3.query(ExecutionRow.open(status.value, shard), ExecutionRow.gsi3sk < oldest))
