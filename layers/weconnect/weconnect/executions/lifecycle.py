"""The states of an execution: pending → running ⇄ waiting or paused → completed, failed, cancelled or timeout.

Every change is a conditional write, and a final state never changes. `completion` writes the final states.
"""

from typing import Any, TypeVar
from uuid import UUID

from pynamodb.expressions.condition import Condition

from weconnect.actor import Actor
from weconnect.db import table
from weconnect.durable import callbacks
from weconnect.errors import Conflict
from weconnect.executions.entities import OPEN_STATUSES, ExecutionStatus
from weconnect.executions.errors import ExecutionNotFound
from weconnect.executions.rows import AnyRow, CallbackRow, ExecutionRow

ACTOR: Actor = {"system": "executions"}

R = TypeVar("R", bound=AnyRow)


def reload(row: R) -> R:
    """Return an execution's present row. Raises ExecutionNotFound."""
    return table.require(type(row), (row.pk, row.sk), ExecutionNotFound)


def may_continue(row: AnyRow | None) -> bool:
    """Return whether an execution may have further effects: it exists, is open, and nobody has cancelled it."""
    return row is not None and not row.cancel_requested_at and row.status in OPEN_STATUSES


def build_open_condition() -> Condition:
    """Return the condition that an execution's row has an open status."""
    return ExecutionRow.status.is_in(*[status.value for status in OPEN_STATUSES])


def change_status(row: AnyRow, before: ExecutionStatus, after: ExecutionStatus, **values: Any) -> bool:
    """Change the status of an open execution and set further `values` of its row. Idempotent.

    Return False when it has neither status, or its cancellation was requested.
    """
    if row.status == after:
        return not row.cancel_requested_at
    if row.status != before:
        return False
    unchanged = (ExecutionRow.status == before.value) & ExecutionRow.cancel_requested_at.does_not_exist()
    try:
        table.change(
            row, values | row.status_keys(after) | {"status": after.value}, ACTOR, condition=unchanged
        )
    except Conflict:
        return False
    return True


# Waiting: for a callback, an approval or another execution


def suspend(row: AnyRow, **values: Any) -> bool:
    """Set a running execution to waiting; return False when it was cancelled. Idempotent."""
    return change_status(row, ExecutionStatus.RUNNING, ExecutionStatus.WAITING, **values)


def resume(row: AnyRow, **values: Any) -> bool:
    """Set a waiting execution to running again; return False when it was cancelled. Idempotent."""
    return change_status(row, ExecutionStatus.WAITING, ExecutionStatus.RUNNING, **values)


# Paused: somebody asked for it


def pause(row: AnyRow, path: str, callback_id: str, *, is_branch: bool) -> None:
    """Set an execution that has come to a step boundary to paused, until it is resumed through its callbacks.

    Parallel branches have one callback each. An execution that was resumed or cancelled meanwhile continues at once.
    """
    pk, sk = CallbackRow.at_pause(UUID(row.organization_id), UUID(row.id), path)
    table.put(CallbackRow(pk=pk, sk=sk, callback_id=callback_id, is_branch=is_branch), ACTOR)
    # Read after the callback is stored: who resumes or cancels sees the callback, or its change is seen here.
    row = reload(row)
    is_paused = bool(row.pause_requested_at) and change_status(
        row, ExecutionStatus.RUNNING, ExecutionStatus.PAUSED
    )
    if not is_paused:
        callbacks.wake(callback_id, {"resumed": False})


def resume_paused(row: AnyRow, **values: Any) -> bool:
    """Set a paused execution to running again; return False when it was cancelled. Idempotent."""
    return change_status(row, ExecutionStatus.PAUSED, ExecutionStatus.RUNNING, **values)


def list_open_callbacks(row: AnyRow, *, paused_only: bool = False) -> list[CallbackRow]:
    """Return the callbacks that an execution waits for: those of its pauses, and of nodes not completed yet."""
    organization_id, execution_id = UUID(row.organization_id), UUID(row.id)
    ranges = [CallbackRow.of_pauses(organization_id, execution_id)]
    if not paused_only:
        ranges.append(CallbackRow.of_execution(organization_id, execution_id))
    rows: list[CallbackRow] = []
    for pk, prefix in ranges:
        rows += CallbackRow.query(pk, CallbackRow.sk.startswith(prefix), consistent_read=True)
    return [each for each in rows if not each.completed_at]
