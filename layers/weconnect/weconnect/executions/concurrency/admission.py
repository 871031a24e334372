"""Admission: which semaphores an execution has to pass, and which queued execution is next when a slot is freed.

An execution passes the semaphore of its concurrency key, when its workflow has `concurrency`, then that of its
organization's plan; an agent's execution only passes the latter. It holds a slot of the first while it is queued for
the second, never the other way round. An execution that a node or an agent started counts as a part of its parent for
the organization, and needs no slot there: it is the first of its queue, and takes over the slot of one that is still
queued for the organization. Else it would wait for that one, which waits for the parent's slot. So nobody waits for an
execution that has not begun, and executions cannot wait for each other.

An execution that gets no slot is stored as pending, together with a row in the semaphore's queue. Whenever a slot may
have become free (an execution ended, one was queued, a minute has passed), `admit_queued` admits the oldest. It may
crash at any point: the next call, or the sweeper, repeats what it did, with the same IDs.

Nothing here cancels executions: the functions return which ones have to be cancelled, and `followups` does that.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any
from uuid import UUID

from weconnect import fault_injection
from weconnect.actor import Actor
from weconnect.db import counters, table
from weconnect.errors import Conflict
from weconnect.executions.children import load_row
from weconnect.executions.concurrency import semaphores
from weconnect.executions.concurrency.semaphores import Semaphore
from weconnect.executions.entities import OPEN_STATUSES, ExecutionStatus
from weconnect.executions.errors import AlreadyStarted, ConcurrencyLimitReached
from weconnect.executions.invocation import invoke
from weconnect.executions.lifecycle import ACTOR, reload
from weconnect.executions.rows import AnyRow, ExecutionRow, QueueRow, SemaphoreRow
from weconnect.executions.stored_values import keep_input
from weconnect.log import logger
from weconnect.organizations.rows import OrganizationRow

BUDGET_SECONDS = 5
"""The time after which a call admits no further execution of a queue."""
MAX_SUPERSEDED = 100


@dataclass
class AdmissionResult:
    """The number of admitted executions, and the executions that have to be cancelled now."""

    admitted: int = 0
    to_cancel: list[AnyRow] = field(default_factory=list)

    def add(self, other: "AdmissionResult") -> None:
        """Add the counts and executions of another result to this one."""
        self.admitted += other.admitted
        self.to_cancel += other.to_cancel


@dataclass(frozen=True)
class StoredExecution:
    """An execution as it was stored, and the executions that have to be cancelled to make room for it."""

    row: AnyRow
    to_cancel: list[AnyRow] = field(default_factory=list)


def load_execution_limit(organization_id: UUID) -> int:
    """Return how many executions of an organization may be open (-1: unlimited); 0 while it is in the trash."""
    row = table.get(OrganizationRow, OrganizationRow.at(organization_id))
    return 0 if row is None else row.to_entity().get_plan_limits().max_concurrent_executions


# Starting


def store(row: AnyRow, actor: Actor, organization_limit: int | None = None) -> StoredExecution:
    """Store an execution: admitted when there are slots, else queued.

    `organization_limit` is the plan's, read when it is None and needed. Raises AlreadyStarted, and
    ConcurrencyLimitReached when no slot is free and the policy is `skip`.
    """
    for semaphore in _list_semaphores(row):
        if semaphore.workflow_id is None and organization_limit is None:
            organization_limit = load_execution_limit(semaphore.organization_id)
        limit = _get_limit(semaphore, row, -1 if organization_limit is None else organization_limit)
        if not semaphores.acquire(semaphore, row.slot, limit):
            if _is_skipped(semaphore, row):
                raise _build_limit_error(semaphore, row)
            return _store_queued(semaphore, row, actor)
    return StoredExecution(table.create(row, actor, AlreadyStarted()))


def share_slot(row: AnyRow, ancestors: Iterable[AnyRow]) -> None:
    """Let an execution use the slot of its workflow's semaphore that one of its ancestors holds."""
    semaphore = _get_workflow_semaphore(row)
    if semaphore and any(semaphore == _get_workflow_semaphore(above) for above in ancestors):
        row.concurrency = None


def _list_semaphores(row: AnyRow) -> list[Semaphore]:
    """Return the semaphores that an execution has to pass, in order."""
    semaphore = _get_workflow_semaphore(row)
    passed = [semaphore] if semaphore else []
    return [*passed, Semaphore(UUID(row.organization_id))] if row.needs_slot else passed


def _get_workflow_semaphore(row: AnyRow) -> Semaphore | None:
    """Return the semaphore of an execution's concurrency key, or None when its workflow sets no limit."""
    if not row.concurrency:
        return None
    return Semaphore(UUID(row.organization_id), row.target_id, row.concurrency["key"])


def _get_limit(semaphore: Semaphore, row: AnyRow, organization_limit: int) -> int:
    """Return how many slots a semaphore has for an execution (-1: unlimited), by its settings or by the plan."""
    if not semaphore.workflow_id:
        return organization_limit
    assert row.concurrency, "only such executions pass a workflow's semaphore"
    return int(row.concurrency["limit"])


def _has_policy(semaphore: Semaphore, row: AnyRow, policy: str) -> bool:
    """Return whether a semaphore is a workflow's, and the execution's concurrency limit has this policy."""
    limit = row.concurrency if semaphore.workflow_id else None
    return limit is not None and limit["policy"] == policy


def _is_skipped(semaphore: Semaphore, row: AnyRow) -> bool:
    """Return whether an execution is refused instead of queued when a semaphore has no free slot."""
    return _has_policy(semaphore, row, "skip")


def _build_limit_error(semaphore: Semaphore, row: AnyRow) -> Conflict:
    """Return ConcurrencyLimitReached, or AlreadyStarted when the execution was stored by an earlier attempt."""
    if table.get(ExecutionRow, (row.pk, row.sk)):
        return AlreadyStarted()
    with_key = f" with the key {semaphore.concurrency_key!r}" if semaphore.concurrency_key else ""
    limit = _get_limit(semaphore, row, 0)
    detail = f"The limit of {limit} open executions{with_key} is reached. Try again when one has ended."
    return ConcurrencyLimitReached(detail)


def _store_queued(semaphore: Semaphore, row: AnyRow, actor: Actor) -> StoredExecution:
    """Store an execution in the queue of a semaphore, then admit who is next there.

    It becomes a durable one, because its caller may not wait so long.
    """
    row.set(status=ExecutionStatus.PENDING.value, is_express=False, started_at=None)
    row.set(**_build_queued_values(semaphore, row))
    keep_input(row)
    semaphores.mark_queued(semaphore)
    with table.transaction(actor) as writes:
        writes.create(row, AlreadyStarted())
        writes.put(_build_queue_row(semaphore, row))
    fault_injection.kill_point(f"after:queue:{semaphore.kind}")
    result = admit_queued(semaphore)
    return StoredExecution(reload(row), result.to_cancel)


def _build_queued_values(semaphore: Semaphore, row: AnyRow) -> dict[str, Any]:
    """Return the values that put an execution's row into the queue of a semaphore, hidden from the sweeper."""
    unswept = dict.fromkeys([f"{row.swept_index}pk", f"{row.swept_index}sk"])
    queued_at = list(semaphore.queue_key_of(row))
    return {"waits_for": semaphore.kind, "queued_at": queued_at, "was_queued": True, **unswept}


def _build_admitted_values(row: AnyRow) -> dict[str, Any]:
    """Return the values that take an execution's row out of its queue and let the sweeper find it as pending."""
    return {"waits_for": None, "queued_at": None, **row.status_keys(ExecutionStatus.PENDING)}


def _build_queue_row(semaphore: Semaphore, row: AnyRow) -> QueueRow:
    """Return the row of an execution in the queue of a semaphore."""
    pk, sk = semaphore.queue_key_of(row)
    return QueueRow(pk=pk, sk=sk, execution_key=[row.pk, row.sk])


def _is_queued_at(row: AnyRow | None, pk: str, sk: str) -> bool:
    """Return whether an execution exists and is queued by the queue's row with this key."""
    return row is not None and row.queued_at == [pk, sk]


def get_queue_position(row: AnyRow) -> int | None:
    """Return the position of an execution in the queue that it waits in (1 is next); None when it is not queued."""
    if not row.queued_at:
        return None
    pk, sk = row.queued_at
    prefix = sk.removesuffix(row.id).removesuffix(semaphores.FIRST)
    return int(QueueRow.count(pk, QueueRow.sk.between(prefix, sk), consistent_read=True))


# Slots that are freed


def release_slots(row: AnyRow, waited_for: str | None = None) -> AdmissionResult:
    """Free the slots of an execution that has ended, and admit queued ones.

    One that was queued for the semaphore `waited_for` has slots of those before it alone.
    """
    result = AdmissionResult()
    for semaphore in _list_semaphores(row):
        if semaphore.kind == waited_for:
            break
        result.add(admit_queued(semaphore, ended=row.slot))
    return result


def list_semaphores(position: str) -> Iterator[tuple[str, Semaphore]]:
    """Yield all organizations' semaphores for which executions may be queued, each with its position in their order.

    They begin after a position, and end with those up to it.
    """
    pk, order = SemaphoreRow.with_queue(), SemaphoreRow.gsi2sk
    for condition in (order > position, order <= position) if position else (None,):
        for row in SemaphoreRow.gsi2.query(pk, condition):
            workflow_id = UUID(row.workflow_id) if row.workflow_id else None
            semaphore = Semaphore(UUID(row.organization_id), workflow_id, row.concurrency_key or "")
            yield row.gsi2sk, semaphore


def admit_queued(semaphore: Semaphore, ended: str | None = None) -> AdmissionResult:
    """Free the slot of an execution that has `ended`, then admit the longest queued executions while there are slots.

    What fails here is logged, and left to the sweeper.
    """
    result = AdmissionResult()
    try:
        item = semaphores.release(semaphore, [ended]) if ended else counters.read_item(semaphore.row_key)
        _admit_queued(semaphore, item, result)
    except Exception as error:
        logger.warning(
            "queued executions not admitted; the sweeper will", semaphore=semaphore.row_key, error=repr(error)
        )
    return result


def _admit_queued(semaphore: Semaphore, item: dict[str, Any], result: AdmissionResult) -> None:
    """Admit the longest queued executions while there are slots, and add them to `result`.

    `item` is the semaphore's item as DynamoDB returns it; without the mark of a queue nothing happens. When no slot is
    free and the policy is `cancel_running`, the executions to cancel are added as well.
    """
    if "waitedAt" not in item:
        return
    acquired_at = semaphores.read_acquired_at(item)
    holders = semaphores.load_executions(semaphore, acquired_at)
    semaphores.free_slots(semaphore, acquired_at, holders)
    # An execution that holds a slot but is still queued was being admitted when its process crashed.
    half_admitted = [row for row in holders.values() if _is_queued_at(row, *semaphore.queue_key_of(row))]
    organization_limit = -1 if semaphore.workflow_id else load_execution_limit(semaphore.organization_id)
    until = time.monotonic() + BUDGET_SECONDS
    for row in chain(half_admitted, _list_queued(semaphore)):
        if time.monotonic() >= until:
            return
        limit = _get_limit(semaphore, row, organization_limit)
        if not semaphores.acquire(semaphore, row.slot, limit, is_next=True):
            if _has_policy(semaphore, row, "cancel_running"):
                result.to_cancel += _list_superseded(semaphore, list(holders.values()), limit)
                return
            if not _take_over_slot(semaphore, row):
                return
        _pass_semaphore(semaphore, row, result)
    semaphores.clear_queued_mark(semaphore, item)


def _take_over_slot(semaphore: Semaphore, row: AnyRow) -> bool:
    """Give an execution that begins with it the slot of one that is queued for the organization; return whether it did.

    The other one, which was queued last, is queued for this semaphore again.
    """
    if _list_semaphores(row)[-1] != semaphore or semaphore.workflow_id is None:
        return False
    acquired_at = semaphores.read_acquired_at(counters.read_item(semaphore.row_key))
    holders = semaphores.load_executions(semaphore, acquired_at).values()
    waiting = [each for each in holders if each.waits_for == "organization" and not each.cancel_requested_at]
    for holder in sorted(waiting, key=lambda each: each.id, reverse=True):
        assert holder.queued_at, "it waits"
        semaphores.mark_queued(semaphore)
        is_queued = ExecutionRow.queued_at.exists() & ExecutionRow.cancel_requested_at.does_not_exist()
        with suppress(Conflict):  # it was admitted, cancelled or has lost its slot meanwhile
            with table.transaction(ACTOR) as writes:
                semaphores.hand_over(writes, semaphore, holder.slot, row.slot)
                writes.discard(QueueRow(holder.queued_at[0], holder.queued_at[1]))
                writes.put(_build_queue_row(semaphore, holder))
                writes.change(holder, _build_queued_values(semaphore, holder), condition=is_queued)
            fault_injection.kill_point("after:hand-over")
            return True
    return False


def _list_queued(semaphore: Semaphore) -> Iterator[AnyRow]:
    """Yield the executions that are queued for a slot of a semaphore: first those with a parent, each oldest first."""
    pk, prefix = semaphore.queue_prefix
    for queue_row in QueueRow.query(pk, QueueRow.sk.startswith(prefix), consistent_read=True, page_size=25):
        row = load_row(queue_row.execution_key)
        if row and _is_queued_at(row, queue_row.pk, queue_row.sk):
            yield row


def list_queued(organization_id: UUID, target_id: UUID) -> Iterator[AnyRow]:
    """Yield the queued executions of a workflow or an agent."""
    ranges = [QueueRow.of_all_keys(organization_id, target_id), QueueRow.of_organization(organization_id)]
    for pk, prefix in ranges:
        queue_rows = QueueRow.query(pk, QueueRow.sk.startswith(prefix), consistent_read=True)
        while batch := list(islice(queue_rows, semaphores.MAX_ROWS_READ)):
            rows = table.get_many([(each.execution_key[0], each.execution_key[1]) for each in batch])
            for each in batch:
                row = rows.get((each.execution_key[0], each.execution_key[1]))
                if not isinstance(row, ExecutionRow) or row.target_id != target_id:
                    continue
                if _is_queued_at(row, each.pk, each.sk):
                    yield row


def _pass_semaphore(semaphore: Semaphore, row: AnyRow, result: AdmissionResult) -> None:
    """Pass an execution that holds a slot of a semaphore to the next semaphore's queue, or admit it.

    Does nothing when another process passed it meanwhile. One whose cancellation was requested is to be cancelled.
    """
    if row.cancel_requested_at:
        result.to_cancel.append(row)
        return
    passed = _list_semaphores(row)
    following = passed[passed.index(semaphore) + 1 :]
    blocking = next((each for each in following if not _acquire_next(each, row)), None)
    fault_injection.kill_point(f"before:pass:{semaphore.kind}")
    if blocking:
        semaphores.mark_queued(blocking)
    values = _build_queued_values(blocking, row) if blocking else _build_admitted_values(row)
    is_queued = ExecutionRow.queued_at.exists() & ExecutionRow.cancel_requested_at.does_not_exist()
    try:
        with table.transaction(ACTOR) as writes:
            writes.change(row, values, condition=is_queued)
            writes.discard(QueueRow(*semaphore.queue_key_of(row)))
            if blocking:
                writes.put(_build_queue_row(blocking, row))
    except Conflict:
        return
    fault_injection.kill_point(f"after:pass:{semaphore.kind}")
    result.admitted += 1
    if blocking:
        result.to_cancel += admit_queued(blocking).to_cancel
    else:
        invoke(row)


def _acquire_next(semaphore: Semaphore, row: AnyRow) -> bool:
    """Acquire a slot of a semaphore that follows in an execution's order: the organization's."""
    return semaphores.acquire(semaphore, row.slot, load_execution_limit(semaphore.organization_id))


def _list_superseded(semaphore: Semaphore, holders: list[AnyRow], limit: int) -> list[AnyRow]:
    """Return the open executions that a `cancel_running` policy cancels: all but the newest, as many as may be open.

    Of a long queue it is the beginning; the next call returns what follows.
    """
    candidates = [
        row
        for row in [*islice(_list_queued(semaphore), limit + MAX_SUPERSEDED), *holders]
        if row.status in OPEN_STATUSES and not row.cancel_requested_at
    ]
    rows = {row.id: row for row in candidates}
    # The ID of an execution that another one started has that one's time, so it does not tell which is newer.
    newest_first = sorted(rows.values(), key=lambda row: (row.created_at or "", row.id), reverse=True)
    if not newest_first:
        return []
    return newest_first[_get_limit(semaphore, newest_first[0], 0) :]


def delete_semaphores(organization_id: UUID, workflow_id: UUID, batch: Any) -> int:
    """Delete the semaphores of a workflow that is deleted for good; return how many there were.

    The sweeper then starts the executions that were still queued: they find no workflow, so they are cancelled and
    wake who waits for them.
    """
    pk, prefix = QueueRow.of_all_keys(organization_id, workflow_id)
    for queue_row in QueueRow.query(pk, QueueRow.sk.startswith(prefix), consistent_read=True):
        row = load_row(queue_row.execution_key)
        if row and _is_queued_at(row, queue_row.pk, queue_row.sk):
            with suppress(Conflict):  # it ended meanwhile
                table.change(
                    row, _build_admitted_values(row), ACTOR, condition=ExecutionRow.queued_at.exists()
                )
        batch.delete(queue_row)
    rows = list(SemaphoreRow.query(pk))
    for semaphore_row in rows:
        batch.delete(semaphore_row)
    return len(rows)
