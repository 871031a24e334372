"""The states of an execution: pending → running ⇄ waiting or paused → completed, failed, cancelled or timeout.

Every change is a conditional write, and a final state never changes. `completion` writes the final states.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal
from uuid import UUID

from pynamodb.expressions.condition import Condition

from weconnect.actor import Actor
from weconnect.db import table
from weconnect.durable import client as durable_client
from weconnect.errors import Conflict
from weconnect.executions.entities import OPEN_STATUSES, ExecutionStatus
from weconnect.executions.errors import ExecutionNotFound
from weconnect.executions.rows import CallbackRow, ExecutionRow
from weconnect.executions.stored_values import count_days_left
from weconnect.log import logger
from weconnect.workflows.executions import journal
from weconnect.workflows.executions.journal import JournalEntry

ACTOR: Actor = {"system": "run_workflow"}


@dataclass(frozen=True)
class ExecutionKey:
    """The identity of a workflow's execution."""

    organization_id: UUID
    execution_id: UUID

    @cached_property
    def row_key(self) -> tuple[str, str]:
        """Return the key (pk, sk) of the execution's row."""
        return ExecutionRow.at(self.organization_id, self.execution_id)

    def load(self) -> ExecutionRow:
        """Return the execution's present row. Raises ExecutionNotFound."""
        return table.require(ExecutionRow, self.row_key, ExecutionNotFound)


def get_key(row: ExecutionRow) -> ExecutionKey:
    """Return the key of an execution's row."""
    return ExecutionKey(UUID(row.organization_id), UUID(row.id))


def may_continue(row: ExecutionRow | None) -> bool:
    """Return whether an execution may have further effects: it exists, is open, and nobody has cancelled it."""
    return row is not None and not row.cancel_requested_at and row.status in OPEN_STATUSES


def build_open_condition() -> Condition:
    """Return the condition that an execution's row has an open status."""
    return ExecutionRow.status.is_in(*[status.value for status in OPEN_STATUSES])


def change_status(row: ExecutionRow, before: ExecutionStatus, after: ExecutionStatus, **values: Any) -> bool:
    """Change the status of an open execution and set further `values` of its row. Idempotent.

    Return False when it has neither status, or its cancellation was requested.
    """
    if row.status == after:
        return True
    if row.status != before:
        return False
    keys = ExecutionRow.status_keys(UUID(row.organization_id), UUID(row.id), after, bool(row.is_express))
    unchanged = (ExecutionRow.status == before.value) & ExecutionRow.cancel_requested_at.does_not_exist()
    try:
        table.change(row, values | keys | {"status": after.value}, ACTOR, condition=unchanged)
    except Conflict:
        return False
    return True


# Waiting: nodes that take long wait for a callback


def suspend(key: ExecutionKey, entries: list[JournalEntry], batch: int, node_ids: list[str]) -> bool:
    """Set a running execution to waiting, after its journal is written; return False when it was cancelled."""
    write_journal(key, entries, batch, node_ids)
    return change_status(key.load(), ExecutionStatus.RUNNING, ExecutionStatus.WAITING)


def resume_suspended(key: ExecutionKey) -> bool:
    """Set a waiting execution to running again; return False when it was cancelled."""
    return change_status(key.load(), ExecutionStatus.WAITING, ExecutionStatus.RUNNING)


# Paused: somebody asked for it


def pause(key: ExecutionKey, path: str, callback_id: str, *, is_branch: bool) -> None:
    """Set an execution that has come to a step boundary to paused, until it is resumed through its callbacks.

    Parallel branches have one callback each. An execution that was resumed or cancelled meanwhile continues at once.
    """
    pk, sk = CallbackRow.at_pause(key.organization_id, key.execution_id, path)
    ttl = key.load().ttl
    table.put(CallbackRow(pk=pk, sk=sk, callback_id=callback_id, is_branch=is_branch, ttl=ttl), ACTOR)
    # Read after the callback is stored: who resumes or cancels sees the callback, or its change is seen here.
    row = key.load()
    is_paused = bool(row.pause_requested_at) and change_status(
        row, ExecutionStatus.RUNNING, ExecutionStatus.PAUSED
    )
    if not is_paused:
        wake_callback(callback_id, {"resumed": False})


def resume_paused(row: ExecutionRow, **values: Any) -> bool:
    """Set a paused execution to running again; return False when it was cancelled."""
    return change_status(row, ExecutionStatus.PAUSED, ExecutionStatus.RUNNING, **values)


def list_open_callbacks(key: ExecutionKey, *, paused_only: bool = False) -> list[CallbackRow]:
    """Return the callbacks that an execution waits for: those of its pauses, and of nodes not completed yet."""
    ranges = [CallbackRow.of_pauses(key.organization_id, key.execution_id)]
    if not paused_only:
        ranges.append(CallbackRow.of_execution(key.organization_id, key.execution_id))
    rows: list[CallbackRow] = []
    for pk, prefix in ranges:
        rows += CallbackRow.query(pk, CallbackRow.sk.startswith(prefix), consistent_read=True)
    return [row for row in rows if not row.completed_at]


# The journal, and callbacks


def write_journal(
    key: ExecutionKey,
    entries: list[JournalEntry],
    batch: int,
    node_ids: list[str],
    progress: int | None = None,
) -> None:
    """Write a batch of node runs, the IDs of the present nodes and the progress (percent). Idempotent."""
    row = key.load()
    if entries:
        days, ttl = count_days_left(row), int(row.ttl or 0)
        batch_row = journal.build_row(key.organization_id, key.execution_id, batch, entries, days, ttl)
        table.put(batch_row, ACTOR)
    values: dict[str, Any] = {"current_node_ids": node_ids}
    if progress is not None:
        values["progress"] = progress
    table.touch(row, put=values, condition=build_open_condition())


def wake_callback(callback_id: str, value: Any) -> bool:
    """Complete a callback; return False when that failed. A callback that is gone needs nothing and counts as done."""
    return send_callback(callback_id, value) != "failed"


def send_callback(callback_id: str, value: Any) -> Literal["sent", "gone", "failed"]:
    """Complete a callback with a JSON value, once: `gone` when it was completed before, or has expired.

    A failure is logged.
    """
    try:
        durable_client.lambda_client().send_durable_execution_callback_success(
            CallbackId=callback_id, Result=json.dumps(value)
        )
    except Exception as error:
        code = getattr(error, "response", {}).get("Error", {}).get("Code")
        if code in ("CallbackTimeoutException", "ResourceNotFoundException"):
            return "gone"
        logger.warning("callback could not be completed", callback_id=callback_id, error=repr(error))
        return "failed"
    return "sent"
