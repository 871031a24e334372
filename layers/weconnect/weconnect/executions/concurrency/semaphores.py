"""Semaphores: how many executions of a workflow's concurrency key, or of an organization, are open at once.

A semaphore is one row that names the executions which hold a slot. Acquiring a slot is one conditional update, so
however many executions ask at once, the limit is never exceeded; acquiring again for the same execution changes
nothing. A slot is freed only when the execution's own row says that it has ended, or when, a minute after the slot was
acquired, no such row is stored, or the execution is queued for a semaphore that comes before. Nothing is leased, so no
slot is lost while its execution is open, and none stays taken by an execution that is gone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from pynamodb.expressions.operand import Path

from weconnect import clock, fault_injection
from weconnect.db import counters, table
from weconnect.db.table import Transaction
from weconnect.executions.entities import OPEN_STATUSES
from weconnect.executions.rows import AnyRow, ExecutionRow, QueueRow, SemaphoreRow, key_of_slot

ATTEMPTS = 5
MAX_RELEASED_AT_ONCE = 50  # an expression has at most 4 KB, and each name takes up to 76 bytes of it
STORED_WITHIN_SECONDS = 60  # a start takes less than 30
KEEP_SECONDS = 400 * 86_400  # longer than any execution
MAX_ROWS_READ = 100
FIRST = "!"
"""In the key of the queue's row of an execution with a parent: it sorts before IDs."""


@dataclass(frozen=True)
class Semaphore:
    """Limits the open executions of a workflow with one concurrency key, or all of an organization."""

    organization_id: UUID
    workflow_id: UUID | None = None
    concurrency_key: str = ""

    @property
    def kind(self) -> Literal["workflow", "organization"]:
        """Return whose executions the semaphore limits."""
        return "workflow" if self.workflow_id else "organization"

    @property
    def row_key(self) -> tuple[str, str]:
        """Return the key (pk, sk) of the semaphore's row."""
        if self.workflow_id:
            return SemaphoreRow.of_workflow(self.organization_id, self.workflow_id, self.concurrency_key)
        return SemaphoreRow.of_organization(self.organization_id)

    @property
    def queue_prefix(self) -> tuple[str, str]:
        """Return the partition and the sort key prefix of the queued executions; their keys begin with it."""
        if self.workflow_id:
            return QueueRow.of_workflow(self.organization_id, self.workflow_id, self.concurrency_key)
        return QueueRow.of_organization(self.organization_id)

    def queue_key_of(self, row: AnyRow) -> tuple[str, str]:
        """Return the key of the queue's row of an execution: those that others wait for come first."""
        pk, prefix = self.queue_prefix
        return pk, f"{prefix}{FIRST if row.parent_key else ''}{row.id}"


def acquire(semaphore: Semaphore, slot: str, limit: int, *, is_next: bool = False) -> bool:
    """Acquire one of `limit` slots (-1: unlimited) under the name `slot` of an execution. Idempotent.

    Return False when none is free or, unless the execution `is_next` in the queue, when others are queued.
    """
    if limit < 0:
        return True
    values: dict[str, counters.CounterValue] = {
        ":now": clock.epoch_seconds(),
        ":limit": limit,
        ":ttl": _compute_expiry(),
    }
    is_free = "attribute_exists(holders) AND size(holders) < :limit"
    if not is_next:
        is_free += " AND attribute_not_exists(waitedAt)"
    request = counters.update_request(
        semaphore.row_key,
        f"SET holders.{slot} = :now, #ttl = :ttl",
        values,
        f"attribute_exists(holders.{slot}) OR ({is_free})",
    )
    request |= {"ExpressionAttributeNames": _TTL_NAME, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    for _ in range(ATTEMPTS):
        fault_injection.kill_point(f"before:enter:{semaphore.kind}")
        try:
            counters.send_update(request, attempts=3)
        except counters.ConditionFailed as refusal:
            item = refusal.item
        else:
            fault_injection.kill_point(f"after:enter:{semaphore.kind}")
            return True
        if "holders" not in item:
            _create_row(semaphore)
        elif ("waitedAt" in item and not is_next) or not free_slots(semaphore, read_acquired_at(item)):
            return False
    return False


def release(semaphore: Semaphore, slots: Iterable[str]) -> dict[str, Any]:
    """Free slots and return the semaphore's item as it is then. Idempotent."""
    names = [f"holders.{slot}" for slot in slots]
    item: dict[str, Any] = {}
    for start in range(0, len(names), MAX_RELEASED_AT_ONCE):
        removed = ", ".join(names[start : start + MAX_RELEASED_AT_ONCE])
        request = counters.update_request(
            semaphore.row_key, f"REMOVE {removed}", {}, "attribute_exists(holders)"
        )
        try:
            response = counters.send_update(request | {"ReturnValues": "ALL_NEW"}, attempts=3)
        except counters.ConditionFailed:
            return {}
        item = response["Attributes"]
    fault_injection.kill_point(f"after:leave:{semaphore.kind}")
    return item


def hand_over(writes: Transaction, semaphore: Semaphore, holder: str, slot: str) -> None:
    """Add to a transaction that the slot of one execution becomes the one of another; refused when it has none."""
    row = SemaphoreRow(*semaphore.row_key)
    before, after = Path(["holders", holder]), Path(["holders", slot])
    writes.update(row, [before.remove(), after.set(clock.epoch_seconds())], before.exists(), None)


def mark_queued(semaphore: Semaphore) -> None:
    """Mark that an execution is about to be queued.

    Until the mark is cleared, new executions do not overtake the queue, and the sweeper looks after it.
    """
    values: dict[str, counters.CounterValue] = {
        ":kind": SemaphoreRow.kind_name(),
        ":now": clock.epoch_seconds(),
        ":ttl": _compute_expiry(),
        ":partition": SemaphoreRow.with_queue(),
        ":since": clock.iso(clock.now()),
        ":organization": str(semaphore.organization_id),
        ":workflow": str(semaphore.workflow_id or ""),
        ":key": semaphore.concurrency_key,
    }
    expression = (
        "SET kind = :kind, waitedAt = :now, #ttl = :ttl, gsi2pk = :partition, gsi2sk = :since,"
        " organizationId = :organization, workflowId = :workflow, concurrencyKey = :key"
    )
    request = counters.update_request(semaphore.row_key, expression, values)
    counters.send_update(request | {"ExpressionAttributeNames": _TTL_NAME}, attempts=3)
    fault_injection.kill_point(f"after:wait:{semaphore.kind}")


def clear_queued_mark(semaphore: Semaphore, item: dict[str, Any]) -> None:
    """Clear the mark of an empty queue, unless it was set again since `item` was read.

    A mark younger than a minute stays: the start that set it may still be putting its execution into the queue.
    """
    marked_at = counters.get_number(item, "waitedAt")
    if marked_at > clock.epoch_seconds() - STORED_WITHIN_SECONDS:
        return
    request = counters.update_request(
        semaphore.row_key,
        "REMOVE waitedAt, gsi2pk, gsi2sk",
        {":marked": marked_at},
        "waitedAt = :marked",
    )
    try:
        counters.send_update(request, attempts=3)
    except counters.ConditionFailed:
        return


def read_acquired_at(item: dict[str, Any]) -> dict[str, int]:
    """Return when each slot was acquired (epoch seconds), by its name."""
    holders = item.get("holders", {}).get("M", {})
    return {slot: int(acquired_at["N"]) for slot, acquired_at in holders.items()}


def load_executions(semaphore: Semaphore, slots: Iterable[str]) -> dict[str, AnyRow]:
    """Return the rows of those executions that are stored, by their slots."""
    keys = [key_of_slot(semaphore.organization_id, slot) for slot in slots]
    rows = [
        row
        for start in range(0, len(keys), MAX_ROWS_READ)
        for row in table.get_many(keys[start : start + MAX_ROWS_READ]).values()
    ]
    return {row.slot: row for row in rows if isinstance(row, ExecutionRow)}


def free_slots(
    semaphore: Semaphore, acquired_at: dict[str, int], rows: dict[str, AnyRow] | None = None
) -> bool:
    """Free the slots of executions that have ended, or do not use them; return whether there were any."""
    rows = load_executions(semaphore, acquired_at) if rows is None else rows
    if ended := [slot for slot, row in rows.items() if row.status not in OPEN_STATUSES]:
        release(semaphore, ended)
    freed = [
        _free_unused(semaphore, slot, seconds)
        for slot, seconds in acquired_at.items()
        if not _may_hold(semaphore, rows.get(slot))
        and seconds < clock.epoch_seconds() - STORED_WITHIN_SECONDS
    ]
    return bool(ended) or any(freed)


def _may_hold(semaphore: Semaphore, row: AnyRow | None) -> bool:
    """Return whether an execution is stored, and not queued for a semaphore before this one."""
    return row is not None and (semaphore.kind == "workflow" or row.waits_for != "workflow")


def _free_unused(semaphore: Semaphore, slot: str, acquired_at: int) -> bool:
    """Free a slot that its execution does not use; return False when it has been acquired again."""
    name = f"holders.{slot}"
    request = counters.update_request(
        semaphore.row_key, f"REMOVE {name}", {":acquired": acquired_at}, f"{name} = :acquired"
    )
    try:
        counters.send_update(request, attempts=3)
    except counters.ConditionFailed:
        return False
    return True


_TTL_NAME = {"#ttl": "ttl"}


def _create_row(semaphore: Semaphore) -> None:
    """Create the semaphore's row without holders, unless it exists."""
    values: dict[str, counters.CounterValue] = {":none": {}, ":kind": SemaphoreRow.kind_name()}
    request = counters.update_request(
        semaphore.row_key, "SET holders = :none, kind = :kind", values, "attribute_not_exists(holders)"
    )
    try:
        counters.send_update(request, attempts=3)
    except counters.ConditionFailed:
        return  # another start created it


def _compute_expiry() -> int:
    """Return the `ttl` of a semaphore that is used now, in epoch seconds."""
    return clock.epoch_seconds() + KEEP_SECONDS
