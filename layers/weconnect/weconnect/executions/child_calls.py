"""Calls of workflows' executions: a step stores a child, a second starts it, a third reads its result."""

from uuid import UUID

from weconnect.db import table
from weconnect.durable import callbacks
from weconnect.executions.entities import OPEN_STATUSES
from weconnect.executions.errors import ExecutionNotFound
from weconnect.executions.followups import cancel_execution
from weconnect.executions.invocation import invoke
from weconnect.executions.kinds import kind_of
from weconnect.executions.requests import derive_child_id
from weconnect.executions.results import ExecutionResult
from weconnect.executions.rows import AnyRow, ExecutionRow, workflow_execution_key


def start_child(
    organization_id: UUID, execution_id: UUID, callback_id: str, *, is_cancelled: bool = False
) -> None:
    """Start a stored child, whose end completes a callback; cancel it when its parent `is_cancelled`. Idempotent.

    One that has ended meanwhile completes the callback at once, and a part of a paused parent is paused with it. Raises
    ExecutionNotFound.
    """
    key = workflow_execution_key(organization_id, execution_id)
    row = table.require(ExecutionRow, key, ExecutionNotFound)
    table.touch(row, put={"parent_callback": callback_id})  # which reads the row again
    if row.is_part and (requested_at := _load_parent_pause(row)):
        table.touch(row, put={"pause_requested_at": requested_at})
        if not _load_parent_pause(row):  # it was resumed meanwhile, by a process that did not see this part
            table.touch(row, put={"pause_requested_at": None})
    if row.status not in OPEN_STATUSES:
        callbacks.wake(callback_id, {"executionId": row.id})
    elif is_cancelled:
        cancel_execution(row)
    else:
        invoke(row)


def load_child_result(parent: AnyRow, name: str) -> ExecutionResult:
    """Return the result of the execution that was stored under this name, as it is now.

    Nothing waits for it any more, so it is cancelled when it is still open. Raises ExecutionNotFound when it has
    expired.
    """
    organization_id = UUID(parent.organization_id)
    key = workflow_execution_key(organization_id, derive_child_id(UUID(parent.id), name))
    row = table.require(ExecutionRow, key, ExecutionNotFound)
    result = kind_of(row).load_result(row)
    if row.status in OPEN_STATUSES:
        cancel_execution(row)
    return result


def _load_parent_pause(row: AnyRow) -> str | None:
    """Return the time at which a pause of a part's parent was requested (ISO 8601); None without one."""
    assert row.parent_key, "a part has a parent"
    pk, sk = row.parent_key
    return table.require(ExecutionRow, (pk, sk), ExecutionNotFound).pause_requested_at
