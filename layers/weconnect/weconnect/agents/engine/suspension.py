"""A run that waits for people: held, and going on again."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from weconnect import clock
from weconnect.agents.entities import ExecutionStatus
from weconnect.agents.rows import ExecutionRow
from weconnect.db import table
from weconnect.errors import Conflict


def hold(row: ExecutionRow, approval_ids: list[UUID], actor: dict[str, Any]) -> bool:
    """Let a running run wait for approvals; False when it is to stop."""
    return _move(
        row, ExecutionStatus.RUNNING, ExecutionStatus.WAITING, actor, [str(item) for item in approval_ids]
    )


def go_on(row: ExecutionRow, actor: dict[str, Any]) -> bool:
    """Let a waiting run go on; False when it is to stop."""
    return _move(row, ExecutionStatus.WAITING, ExecutionStatus.RUNNING, actor, None)


def note_life(runs: Iterable[tuple[str, str]]) -> None:
    """Tell the sweeper that runs are carried on, although they have not changed for long."""
    for at in runs:
        table.touch(ExecutionRow(*at), put={"updated_at": clock.iso(clock.now())})


def _move(
    row: ExecutionRow,
    before: ExecutionStatus,
    after: ExecutionStatus,
    actor: dict[str, Any],
    waiting_for: list[str] | None,
) -> bool:
    """Move an open run from one state to the next, once however often it is asked."""
    if row.cancel_requested_at or row.status not in (before, after):
        return False
    if row.status == before:
        values = {"status": after.value, "waiting_for": waiting_for, **row.index_keys(after)}
        still = (ExecutionRow.status == before.value) & ExecutionRow.cancel_requested_at.does_not_exist()
        try:
            table.change(row, values, actor, condition=still)
        except Conflict:
            return False
    return True
