"""Suspend an execution until people have decided about its tool calls, and resume it."""

from collections.abc import Iterable
from uuid import UUID

from weconnect import clock
from weconnect.actor import Actor
from weconnect.agents.entities import AgentExecutionStatus
from weconnect.agents.rows import AgentExecutionRow
from weconnect.db import table
from weconnect.errors import Conflict


def suspend(row: AgentExecutionRow, approval_ids: list[UUID], actor: Actor) -> bool:
    """Move a running execution to `waiting`; return False when it is to be cancelled. Idempotent."""
    waiting_for = [str(approval_id) for approval_id in approval_ids]
    return _move(row, AgentExecutionStatus.RUNNING, AgentExecutionStatus.WAITING, actor, waiting_for)


def resume(row: AgentExecutionRow, actor: Actor) -> bool:
    """Move a waiting execution back to `running`; return False when it is to be cancelled. Idempotent."""
    return _move(row, AgentExecutionStatus.WAITING, AgentExecutionStatus.RUNNING, actor, None)


def refresh_updated_at(keys: Iterable[tuple[str, str]]) -> None:
    """Set `updated_at` of executions to now, so that the sweeper does not take them for lost."""
    for key in keys:
        table.touch(AgentExecutionRow(*key), put={"updated_at": clock.iso(clock.now())})


def _move(
    row: AgentExecutionRow,
    before: AgentExecutionStatus,
    after: AgentExecutionStatus,
    actor: Actor,
    waiting_for: list[str] | None,
) -> bool:
    """Change the status from `before` to `after`; return False when that is impossible. Idempotent."""
    if row.cancel_requested_at or row.status not in (before, after):
        return False
    if row.status == before:
        values = {"status": after.value, "waiting_for": waiting_for, **row.index_keys(after)}
        is_unchanged = AgentExecutionRow.status == before.value
        is_not_cancelled = AgentExecutionRow.cancel_requested_at.does_not_exist()
        try:
            table.change(row, values, actor, condition=is_unchanged & is_not_cancelled)
        except Conflict:
            return False
    return True
