"""Letting runs in: how one is stored, by which gates it passes, and who is next when a place comes free.

A run passes the gate of its workflow's key, when its workflow has `concurrency`, then that of its organization's plan.
It keeps a place of the first while it waits before the second, never the other way round, so runs cannot wait for each
other. What is a node of another run is part of that one for the organization: it needs no place there.

A run that finds no place is stored as pending together with a row in the queue of that gate. Whenever a place may have
come free (a run ended, a run was put into the queue, a minute is over), `serve` lets the oldest in. It may die at any
point: what it did is done again under the same ids, by the next one to serve or by the sweeper.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import UUID

from weconnect import clock, durable, fault_injection
from weconnect.db import counters, table
from weconnect.errors import Conflict, Invalid
from weconnect.executions import completion, lifecycle
from weconnect.executions.concurrency import semaphores
from weconnect.executions.concurrency.semaphores import Gate
from weconnect.executions.entities import OPEN, ExecutionStatus
from weconnect.executions.lifecycle import ACTOR
from weconnect.executions.rows import ExecutionRow, GateRow, QueueRow
from weconnect.expressions import rendering
from weconnect.expressions.rendering import Context, ExpressionError
from weconnect.log import logger
from weconnect.organizations.entities import Organization
from weconnect.organizations.rows import OrganizationRow
from weconnect.settings import settings
from weconnect.workflows.entities import WorkflowSettings

LONGEST_KEY = 200


class AlreadyStarted(Conflict):
    """There is a run with this id: an earlier try of the same start stored it."""

    code = "already_started"


def asked(settings: WorkflowSettings, given: Any) -> dict[str, Any] | None:
    """What the settings ask of a run with this input: `{"key", "limit", "policy"}`; raises Invalid for its key."""
    wanted = settings.concurrency
    if wanted is None:
        return None
    items = lifecycle.items_of(given)
    try:
        shared = {"trigger": given, "input": items}
        (value,) = rendering.resolve(wanted.key, [Context((items or [{}])[0])], shared, clock.now())
    except ExpressionError as error:
        errors = [{"pointer": "/settings/concurrency/key", "detail": str(error)}]
        text = "The key that limits the runs of this workflow cannot be told from the input"
        raise Invalid(text, code="concurrency_key_failed", errors=errors) from error
    key = value if isinstance(value, str) else "" if value is None else json.dumps(value, sort_keys=True)
    if len(key) > LONGEST_KEY:
        key = hashlib.sha256(key.encode()).hexdigest()
    return {"key": key, "limit": wanted.limit, "policy": wanted.policy}


def at_once(organization_id: UUID) -> int:
    """How many runs of an organization may be open; -1 is unlimited. None are let in while it is in the trash."""
    row = table.get(OrganizationRow, OrganizationRow.at(organization_id))
    if row is None:
        return 0
    organization: Organization = row.to_entity()
    return organization.get_plan_limits().max_concurrent_executions


# Starting


def store(row: ExecutionRow, actor: dict[str, Any], allowed: int) -> ExecutionRow:
    """Store a run: let in when there are places, else in the queue; `allowed` may be open in its organization.

    Raises AlreadyStarted, and Conflict `concurrency_limit` when the run does not wait.
    """
    for gate in _gates(row):
        if not semaphores.enter(gate, UUID(row.id), _limit(gate, row, allowed)):
            return _refused(gate, row) if _is_skipped(gate, row) else _queued(gate, row, actor)
    return table.create(row, actor, AlreadyStarted())


def store_once(row: ExecutionRow, allowed: int) -> ExecutionRow:
    """The same for a run that a step starts, which may be repeated: the run as it stands then."""
    try:
        return store(row, ACTOR, allowed)
    except AlreadyStarted:
        return table.need(ExecutionRow, (row.pk, row.sk), "execution")


def invoke(row: ExecutionRow) -> None:
    """Ask for the durable function of a run that was let in, by name: twice is harmless, and what fails is left to the
    sweeper.
    """
    if row.queued_at:
        return
    payload = {"organizationId": row.organization_id, "executionId": row.id}
    fault_injection.point("before:invoke")
    try:
        durable.lambda_client().invoke(
            FunctionName=settings.run_workflow_function,
            InvocationType="Event",
            DurableExecutionName=name_of(row),
            Payload=json.dumps(payload),
        )
    except Exception as error:
        logger.warning("could not start a run; the sweeper will", execution_id=row.id, error=repr(error))
    fault_injection.point("after:invoke")


def name_of(row: ExecutionRow) -> str:
    """The durable execution's name: organization and run, so that the platform's word of its end finds the row."""
    return UUID(row.organization_id).hex + UUID(row.id).hex


def is_same(row: ExecutionRow, other: ExecutionRow) -> bool:
    """Whether the workflows of two runs limit them together."""
    return bool(row.concurrency and other.concurrency) and _of_workflow(row) == _of_workflow(other)


def _gates(row: ExecutionRow) -> list[Gate]:
    """What a run passes, in order."""
    found = [_of_workflow(row)] if row.concurrency else []
    return found if row.parent_key else [*found, Gate(UUID(row.organization_id))]


def _of_workflow(row: ExecutionRow) -> Gate:
    return Gate(UUID(row.organization_id), UUID(row.workflow_id), row.concurrency["key"])


def _limit(gate: Gate, row: ExecutionRow, allowed: int) -> int:
    return int(row.concurrency["limit"]) if gate.workflow_id else allowed


def _is_skipped(gate: Gate, row: ExecutionRow) -> bool:
    return bool(gate.workflow_id) and row.concurrency["policy"] == "skip"


def _refused(gate: Gate, row: ExecutionRow) -> ExecutionRow:
    if table.get(ExecutionRow, (row.pk, row.sk)):
        raise AlreadyStarted()
    of_key = f" with the key {gate.run_key!r}" if gate.run_key else ""
    text = f"As many runs{of_key} are open as settings.concurrency allows: {row.concurrency['limit']}"
    raise Conflict(text, code="concurrency_limit")


def _queued(gate: Gate, row: ExecutionRow, actor: dict[str, Any]) -> ExecutionRow:
    """Store a run that waits before a gate, as a durable one, since its caller may not wait so long; then see who is
    next there.
    """
    row.set(status=ExecutionStatus.PENDING.value, is_express=False, started_at=None)
    row.set(gsi2pk=None, gsi2sk=None, **_waiting(gate, row))
    semaphores.wait(gate)
    with table.transaction(actor) as writes:
        writes.create(row, AlreadyStarted())
        writes.put(_place(gate, row))
    fault_injection.point(f"after:queue:{gate.kind}")
    serve(gate)
    return table.need(ExecutionRow, (row.pk, row.sk), "execution")


def _waiting(gate: Gate, row: ExecutionRow) -> dict[str, Any]:
    return {"waits_for": gate.kind, "queued_at": list(gate.place_of(row.id))}


def _let_in(row: ExecutionRow) -> dict[str, Any]:
    keys = ExecutionRow.status_keys(UUID(row.organization_id), UUID(row.id), ExecutionStatus.PENDING, False)
    return {"waits_for": None, "queued_at": None, **keys}


def _place(gate: Gate, row: ExecutionRow) -> QueueRow:
    pk, sk = gate.place_of(row.id)
    return QueueRow(pk=pk, sk=sk, execution_id=row.id, ttl=row.ttl)


def position(row: ExecutionRow) -> int:
    """The place of a run in the queue that it waits in; 1 is next."""
    pk, sk = row.queued_at
    prefix = sk.removesuffix(row.id)
    return int(QueueRow.count(pk, QueueRow.sk.between(prefix, sk), consistent_read=True))


# Places that come free


def after(row: ExecutionRow) -> None:
    """Give back the places of a run that has ended, and let others in."""
    for gate in _gates(row):
        serve(gate, gone=UUID(row.id))


def serve_all() -> int:
    """Let in the runs of all organizations that wait and for which there is a place; answers how many."""
    served = 0
    for row in GateRow.gsi2.query(GateRow.waited()):
        workflow_id = UUID(row.workflow_id) if row.workflow_id else None
        served += serve(Gate(UUID(row.organization_id), workflow_id, row.run_key or ""))
    return served


def serve(gate: Gate, gone: UUID | None = None) -> int:
    """Let the runs in that have waited longest, as long as there are places, that of one that is gone among them;
    answers how many. What fails here is left to the sweeper.
    """
    try:
        return _serve(gate, semaphores.leave(gate, [gone]) if gone else counters.item(gate.at))
    except Exception as error:
        logger.warning("could not let runs in; the sweeper will", gate=gate.at, error=repr(error))
        return 0


def _serve(gate: Gate, item: dict[str, Any]) -> int:
    if "waitedAt" not in item:
        return 0
    held = semaphores.holders(item)
    rows = semaphores.runs(gate, held)
    semaphores.free_places(gate, held, rows)
    # One that has a place and still waits was let in by somebody who died over it.
    waiting = [row for row in rows.values() if row.queued_at == list(gate.place_of(row.id))]
    allowed, served = (-1 if gate.workflow_id else at_once(gate.organization_id)), 0
    for row in [*waiting, *_queue(gate)]:
        if not semaphores.enter(gate, UUID(row.id), _limit(gate, row, allowed), its_turn=True):
            if gate.workflow_id and row.concurrency["policy"] == "cancel_running":
                _make_room(gate, list(rows.values()))
            return served
        served += _pass(gate, row)
    semaphores.stop_waiting(gate, item)
    return served


def _queue(gate: Gate) -> Iterator[ExecutionRow]:
    """The runs that wait before a gate, oldest first."""
    pk, prefix = gate.queue
    for place in QueueRow.query(pk, QueueRow.sk.startswith(prefix), consistent_read=True, page_size=25):
        row = table.get(ExecutionRow, ExecutionRow.at(gate.organization_id, UUID(place.execution_id)))
        if row and row.queued_at == [place.pk, place.sk]:
            yield row


def _pass(gate: Gate, row: ExecutionRow) -> bool:
    """Let a run that has a place of a gate pass it, to the next one or in; False when it is not to begin any more, or
    somebody else let it in.
    """
    if row.cancel_requested_at:
        completion.stop(row)
        return False
    passed = _gates(row)
    following = passed[passed.index(gate) + 1 :]
    still = ExecutionRow.queued_at.exists() & ExecutionRow.cancel_requested_at.does_not_exist()
    before = next(
        (
            each
            for each in following
            if not semaphores.enter(each, UUID(row.id), at_once(each.organization_id))
        ),
        None,
    )
    fault_injection.point(f"before:pass:{gate.kind}")
    if before:
        semaphores.wait(before)
    values = _waiting(before, row) if before else _let_in(row)
    try:
        with table.transaction(ACTOR) as writes:
            writes.change(row, values, condition=still)
            writes.discard(QueueRow(*gate.place_of(row.id)))
            if before:
                writes.put(_place(before, row))
    except Conflict:
        return False
    fault_injection.point(f"after:pass:{gate.kind}")
    if before:
        serve(before)
    else:
        invoke(row)
    return True


def dissolve(organization_id: UUID, workflow_id: UUID, batch: Any) -> int:
    """Delete the gates of a workflow that is gone for good; answers how many. The sweeper starts the runs that wait
    there: they find no workflow, and so end and tell whoever waits for them.
    """
    pk, prefix = QueueRow.of_all(organization_id, workflow_id)
    for place in QueueRow.query(pk, QueueRow.sk.startswith(prefix), consistent_read=True):
        row = table.get(ExecutionRow, ExecutionRow.at(organization_id, UUID(place.execution_id)))
        if row and row.queued_at == [place.pk, place.sk]:
            with suppress(Conflict):  # it ended meanwhile
                table.change(row, _let_in(row), ACTOR, condition=ExecutionRow.queued_at.exists())
        batch.delete(place)
    gone = list(GateRow.query(pk))
    for gate in gone:
        batch.delete(gate)
    return len(gone)


def _make_room(gate: Gate, holding: list[ExecutionRow]) -> None:
    """Ask all runs before a gate and behind it to stop, but for the newest, as many as may be open."""
    going_on = [
        row for row in [*_queue(gate), *holding] if row.status in OPEN and not row.cancel_requested_at
    ]
    runs = {row.id: row for row in going_on}
    # The id of one that another run started has the time of that one.
    newest_first = sorted(runs.values(), key=lambda row: (row.created_at, row.id), reverse=True)
    if newest_first:
        for row in newest_first[int(newest_first[0].concurrency["limit"]) :]:
            completion.stop(row)
