"""Runs that nobody carries on: started again, or closed."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from weconnect import clock, ids
from weconnect.agents.engine import cancellation, executions
from weconnect.agents.engine.run_context import ENDED
from weconnect.agents.entities import OPEN, ExecutionStatus
from weconnect.agents.rows import NESTED, RUN_SHARDS, ExecutionRow
from weconnect.approvals import service as approvals
from weconnect.db import table
from weconnect.executions import rows
from weconnect.workflows.engine import child_executions

SWEEP_AFTER_SECONDS = 30
ABANDONED_AFTER_SECONDS = 2 * 3_600
WAITED_ENOUGH_SECONDS = 8 * 86_400  # longer than a run's function lives
BATCH = 100

__all__ = ["close", "rows", "sweep"]  # the rows of workflows' runs, which may have asked, are to be known


def sweep() -> int:
    """Start runs again that were stored and never began, close those that nobody works on, and send the answers that
    did not reach their runs; answers how many.
    """
    swept = approvals.deliver_again()
    for shard in RUN_SHARDS:
        for row in _open_since(ExecutionStatus.PENDING, shard, SWEEP_AFTER_SECONDS):
            executions.invoke(row)
            swept += 1
        for row in _open_since(ExecutionStatus.RUNNING, shard, ABANDONED_AFTER_SECONDS):
            swept += _lost(row, ABANDONED_AFTER_SECONDS)
        for row in _open_since(ExecutionStatus.WAITING, shard, WAITED_ENOUGH_SECONDS):
            swept += _lost(row, WAITED_ENOUGH_SECONDS)
        swept += _close_orphans(_open_since(NESTED, shard, SWEEP_AFTER_SECONDS))
    return swept


def close(execution_id: str, platform_status: str, error: str) -> bool:
    """End a run whose durable function ended without doing so; False when it is closed or unknown."""
    shard = ExecutionRow.shard(execution_id)
    for status in OPEN:
        at = ExecutionRow.open(status.value, shard)
        for found in ExecutionRow.gsi3.query(at, ExecutionRow.gsi3sk == execution_id):
            ended = ExecutionStatus.TIMEOUT if platform_status == "TIMED_OUT" else ExecutionStatus.FAILED
            return _close(found, ended, error, "platform_" + platform_status.lower())
    return False


def _close(found: ExecutionRow, status: ExecutionStatus, error: str, code: str) -> bool:
    """End a run, and those that it asked; an index shows it late, so it is read again."""
    row = table.get(ExecutionRow, (found.pk, found.sk))
    if row is None:
        return False
    organization_id, execution_id = UUID(row.organization_id), UUID(row.id)
    for nested in cancellation.open_nested(organization_id, execution_id):
        _close(nested, status, error, code)
    ended = executions.finish(row, status, error=error, error_code=code)
    child_executions.stop(organization_id, execution_id)
    return ended


def _lost(row: ExecutionRow, seconds: int) -> bool:
    """Close a run that has not moved for so long, unless a run that it asked is still open."""
    if row.updated_at > clock.iso(clock.now() - timedelta(seconds=seconds)):
        return False
    place = UUID(row.organization_id), UUID(row.id)
    if cancellation.open_nested(*place) or child_executions.open_of(*place):
        return False
    hours = f"Nothing was heard of the run for {seconds // 3_600} hours"
    return _close(row, ExecutionStatus.TIMEOUT, hours, "lost")


def _close_orphans(rows: list[ExecutionRow]) -> int:
    """End the nested runs whose calling run has ended without them; answers how many."""
    swept = 0
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        found = table.get_many([_parent(row) for row in batch])
        for row in batch:
            parent: Any = found.get(_parent(row))
            if parent is None or parent.status in ENDED:
                error = "The run that asked has ended"
                swept += executions.finish(
                    row, ExecutionStatus.CANCELLED, error=error, error_code="parent_ended"
                )
    return swept


def _parent(row: ExecutionRow) -> tuple[str, str]:
    """Where the run stands that asked, of an agent or of a workflow."""
    pk, sk = row.parent_key
    return pk, sk


def _open_since(status: str, shard: str, seconds: int) -> list[ExecutionRow]:
    oldest = str(ids.lowest_id(clock.epoch() - seconds))
    return list(ExecutionRow.gsi3.query(ExecutionRow.open(status, shard), ExecutionRow.gsi3sk < oldest))
