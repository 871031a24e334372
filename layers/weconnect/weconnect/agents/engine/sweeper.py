"""Executions that no function works on any more: they are started again, or closed."""

from datetime import timedelta
from uuid import UUID

from weconnect import clock, ids
from weconnect.agents.engine import completion, executions, nested_executions
from weconnect.agents.engine.completion import AgentOutcome
from weconnect.agents.engine.execution_context import TERMINAL_STATUSES
from weconnect.agents.entities import OPEN_STATUSES, AgentExecutionStatus
from weconnect.agents.rows import EXECUTION_SHARDS, NESTED, AgentExecutionRow
from weconnect.approvals import service as approvals
from weconnect.db import table
from weconnect.executions import children, followups
from weconnect.executions.rows import ExecutionRow

SWEEP_AFTER_SECONDS = 30
LOST_AFTER_SECONDS = 2 * 3_600
SUSPENDED_LOST_AFTER_SECONDS = 8 * 86_400  # longer than a durable function may live
BATCH_SIZE = 100


def sweep() -> int:
    """Start stored executions that never began, close lost ones, and send decisions that were not delivered.

    Return how many executions and decisions were handled.
    """
    swept = approvals.retry_deliveries()
    for shard in EXECUTION_SHARDS:
        for row in _open_since(AgentExecutionStatus.PENDING, shard, SWEEP_AFTER_SECONDS):
            executions.invoke(row)
            swept += 1
        for row in _open_since(AgentExecutionStatus.RUNNING, shard, LOST_AFTER_SECONDS):
            swept += _close_if_lost(row, LOST_AFTER_SECONDS)
        for row in _open_since(AgentExecutionStatus.WAITING, shard, SUSPENDED_LOST_AFTER_SECONDS):
            swept += _close_if_lost(row, SUSPENDED_LOST_AFTER_SECONDS)
        swept += _close_orphans(_open_since(NESTED, shard, SWEEP_AFTER_SECONDS))
    return swept


def close(execution_id: str, platform_status: str, error: str) -> bool:
    """Finish an execution whose durable function ended without doing so; return False when it is not open."""
    shard = AgentExecutionRow.shard(execution_id)
    is_timeout = platform_status == "TIMED_OUT"
    outcome = AgentOutcome(
        status=AgentExecutionStatus.TIMEOUT if is_timeout else AgentExecutionStatus.FAILED,
        error=error,
        code="platform_" + platform_status.lower(),
    )
    for status in OPEN_STATUSES:
        pk = AgentExecutionRow.open_executions(status.value, shard)
        for row in AgentExecutionRow.gsi3.query(pk, AgentExecutionRow.gsi3sk == execution_id):
            return _close(row, outcome)
    return False


def _close(indexed_row: AgentExecutionRow, outcome: AgentOutcome) -> bool:
    """Finish an execution and those it has started. Its row is read again, because an index lags behind."""
    row = table.get(AgentExecutionRow, (indexed_row.pk, indexed_row.sk))
    if row is None:
        return False
    organization_id, execution_id = UUID(row.organization_id), UUID(row.id)
    for nested in nested_executions.list_open(organization_id, execution_id):
        _close(nested, outcome)
    is_closed = completion.finish(row, outcome)
    followups.cancel_children(organization_id, execution_id)
    return is_closed


def _close_if_lost(row: AgentExecutionRow, seconds: int) -> bool:
    """Close an execution that has not changed for `seconds`, unless one that it has started is still open."""
    if str(row.updated_at) > clock.iso(clock.now() - timedelta(seconds=seconds)):
        return False
    organization_id, execution_id = UUID(row.organization_id), UUID(row.id)
    if nested_executions.list_open(organization_id, execution_id):
        return False
    if children.list_open_children(organization_id, execution_id):
        return False
    error = f"The execution made no progress for {seconds // 3_600} hours"
    return _close(row, AgentOutcome(status=AgentExecutionStatus.TIMEOUT, error=error, code="lost"))


def _close_orphans(rows: list[AgentExecutionRow]) -> int:
    """Finish the nested executions whose calling execution has finished without them; return how many."""
    outcome = AgentOutcome(
        status=AgentExecutionStatus.CANCELLED, error="The calling execution has finished", code="parent_ended"
    )
    swept = 0
    for start in range(0, len(rows), BATCH_SIZE):
        batch = rows[start : start + BATCH_SIZE]
        parents_by_key = table.get_many([_parent_key(row) for row in batch])
        for row in batch:
            parent = parents_by_key.get(_parent_key(row))
            if not isinstance(parent, AgentExecutionRow | ExecutionRow) or parent.status in TERMINAL_STATUSES:
                swept += completion.finish(row, outcome)
    return swept


def _parent_key(row: AgentExecutionRow) -> tuple[str, str]:
    """Return the key of the calling execution, of an agent or of a workflow."""
    assert row.parent_key, "a nested execution has a parent"
    pk, sk = row.parent_key
    return pk, sk


def _open_since(status: str, shard: str, seconds: int) -> list[AgentExecutionRow]:
    """Return the rows of open executions that were started more than `seconds` ago."""
    oldest = str(ids.lowest_id(clock.epoch_seconds() - seconds))
    pk = AgentExecutionRow.open_executions(status, shard)
    return list(AgentExecutionRow.gsi3.query(pk, AgentExecutionRow.gsi3sk < oldest))
