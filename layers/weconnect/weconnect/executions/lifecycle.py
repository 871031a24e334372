"""The states of a workflow's run: pending → running ⇄ waiting, paused → completed, failed, cancelled, timeout.

Every move is a conditional write, and a terminal state never changes. Nothing has an effect before it has passed
`fence`, which reads what was asked of the run meanwhile.
"""

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from weconnect import clock, durable, payloads, table
from weconnect.errors import Conflict
from weconnect.executions import approvals, journal
from weconnect.executions.entities import OPEN, ExecutionError, ExecutionStatus
from weconnect.executions.rows import CallbackRow, ChildRow, ExecutionRow, QuestionRow
from weconnect.log import logger
from weconnect.table import Row
from weconnect.workflows import versions
from weconnect.workflows.contract import Items, Outputs
from weconnect.workflows.entities import WorkflowDefinition
from weconnect.workflows.rows import WorkflowRow
from weconnect.workflows.variables import pinning as variables
from weconnect.workflows.variables.pinning import Variables

ACTOR = {"system": "run_workflow"}
INLINE_BYTES = 4_000  # the run's row stands in three indexes: longer texts leave it
EXPRESS_SECONDS = 25.0  # a route has 29


@dataclass(frozen=True)
class Place:
    """Which run this is."""

    organization_id: UUID
    id: UUID

    @property
    def key(self) -> tuple[str, str]:
        return ExecutionRow.at(self.organization_id, self.id)

    def row(self) -> ExecutionRow:
        """The run as it stands now."""
        return table.need(ExecutionRow, self.key, "execution")


class Pinned(BaseModel):
    """What a run works with; it sees no later change. `kept` are outputs of an earlier try, by path."""

    user_id: UUID
    workflow_id: UUID
    workflow_name: str
    workflow_version: int
    mode: str
    started: float
    definition: WorkflowDefinition
    trigger: Any = None
    trigger_node_id: str | None = None
    kept: dict[str, Outputs] = {}
    kept_from: UUID | None = None
    callback_token: str = ""
    retention_days: int
    express: bool = False
    variables: Variables = Variables()

    def items(self) -> Items:
        """The items that the trigger answers."""
        return items_of(self.trigger)


class Outcome(BaseModel):
    """How a run ends."""

    status: ExecutionStatus
    output: Any = None
    error: ExecutionError | None = None


def items_of(value: Any) -> Items:
    """The items that a JSON value stands for: nothing is one empty item, so that a run has something to work on."""
    if isinstance(value, list):
        return [item if isinstance(item, dict) else {"value": item} for item in value]
    if value is None:
        return [{}]
    return [value if isinstance(value, dict) else {"value": value}]


def begin(place: Place) -> dict[str, Any] | None:
    """Mark the run as running and pin what it works with; None when it has ended already."""
    row = place.row()
    if row.status == ExecutionStatus.PENDING:
        moved = move(row, ExecutionStatus.PENDING, ExecutionStatus.RUNNING, started_at=clock.iso(clock.now()))
        row = row if moved else place.row()
    if row.status != ExecutionStatus.RUNNING:
        if is_stopped(row):  # asked for while it was pending, by a caller whose function died at that
            finish(row, Outcome(status=ExecutionStatus.CANCELLED, error=cancelled()))
        return None
    version = versions.load(place.organization_id, UUID(row.workflow_id), row.workflow_version)
    return pin(row, version.definition).model_dump(mode="json")


def pin(row: ExecutionRow, definition: WorkflowDefinition) -> Pinned:
    """What a run begins with."""
    organization_id = UUID(row.organization_id)
    kept_from = UUID(row.keeps) if row.keeps else None
    return Pinned(
        user_id=row.user_id,
        workflow_id=row.workflow_id,
        workflow_name=row.workflow_name,
        workflow_version=row.workflow_version,
        mode=row.mode,
        started=clock.now().timestamp(),
        definition=definition,
        trigger=loaded(row, "input"),
        trigger_node_id=row.trigger_node_id,
        kept=journal.outputs_of(organization_id, kept_from) if kept_from else {},
        kept_from=kept_from,
        callback_token=_token(row, definition),
        retention_days=days_left(row),
        express=bool(row.is_express),
        variables=variables.pin(organization_id, UUID(row.workflow_id), definition),
    )


def _token(row: ExecutionRow, definition: WorkflowDefinition) -> str:
    """What completes the run's callbacks, for runs that have some. Its hash alone is stored."""
    if not any(node.type == "wait" for node in definition.nodes):
        return ""
    secret = secrets.token_urlsafe(32)
    table.touch(row, put={"callback_hash": digest_of(secret)})
    return f"{UUID(row.organization_id).hex}{UUID(row.id).hex}{secret}"


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def is_stopped(row: ExecutionRow | None) -> bool:
    """Whether a run is to do nothing more."""
    return row is None or bool(row.cancel_requested_at) or row.status not in OPEN


def fence(place: Place, pinned: Pinned, waited: float) -> dict[str, Any] | None:
    """What a step answers instead of having its effect: `{"ended": status}` or `{"paused": true}`; None to go on."""
    row = table.get(ExecutionRow, place.key)
    if row is None or is_stopped(row):
        return {"ended": ExecutionStatus.CANCELLED.value}
    used = clock.now().timestamp() - pinned.started
    bound = pinned.definition.settings.timeout_seconds + waited
    if pinned.express:
        bound = min(bound, EXPRESS_SECONDS)
    if used >= bound:
        return {"ended": ExecutionStatus.TIMEOUT.value}
    if row.pause_requested_at and not pinned.express:
        return {"paused": True}
    return None


def move(row: ExecutionRow, before: ExecutionStatus, after: ExecutionStatus, **values: Any) -> bool:
    """Move an open run from one state to the next; False when it is in neither, or is to stop."""
    if row.status == after:
        return True
    if row.status != before:
        return False
    keys = ExecutionRow.status_keys(UUID(row.organization_id), UUID(row.id), after, bool(row.is_express))
    still = (ExecutionRow.status == before.value) & ExecutionRow.cancel_requested_at.does_not_exist()
    try:
        table.change(row, values | keys | {"status": after.value}, ACTOR, condition=still)
    except Conflict:
        return False
    return True


def hold(place: Place, records: list[journal.Record], batch: int, node_ids: list[str]) -> bool:
    """Let a running run wait, what it has done so far written; False when it is to stop."""
    write(place, records, batch, node_ids)
    return move(place.row(), ExecutionStatus.RUNNING, ExecutionStatus.WAITING)


def go_on(place: Place) -> bool:
    """Let a waiting run go on; False when it is to stop."""
    return move(place.row(), ExecutionStatus.WAITING, ExecutionStatus.RUNNING)


def pause(place: Place, path: str, callback_id: str, *, is_branch: bool) -> None:
    """Mark a run that has come to a boundary as paused, until it is resumed through its callbacks: branches that run
    side by side have one each. One that was resumed or cancelled meanwhile goes on at once.
    """
    pk, sk = CallbackRow.at_pause(place.organization_id, place.id, path)
    ttl = place.row().ttl
    table.put(CallbackRow(pk=pk, sk=sk, callback_id=callback_id, is_branch=is_branch, ttl=ttl), ACTOR)
    row = place.row()  # after that, so that who resumes or cancels sees the callback, or is seen here
    if not (row.pause_requested_at and move(row, ExecutionStatus.RUNNING, ExecutionStatus.PAUSED)):
        wake(callback_id, {"resumed": False})


def resume(row: ExecutionRow, **values: Any) -> bool:
    """Let a paused run go on; False when it is to stop."""
    return move(row, ExecutionStatus.PAUSED, ExecutionStatus.RUNNING, **values)


def cancel(row: ExecutionRow) -> bool:
    """Ask a run to stop: at once when it has not begun, waits or is paused, else at its next step; False when it has
    ended.

    Where one of several branches is paused the others may be at work, so that such a run ends at its next step, too.
    """
    place = Place(UUID(row.organization_id), UUID(row.id))
    asked = {"cancel_requested_at": clock.iso(clock.now())}
    if not table.touch(row, put=asked, condition=_is_open()):
        return False
    row = place.row()
    waiting = callbacks_of(place) if row.status in (ExecutionStatus.WAITING, ExecutionStatus.PAUSED) else []
    at_work = row.status == ExecutionStatus.PAUSED and any(each.is_branch for each in waiting)
    if row.status != ExecutionStatus.RUNNING and not at_work:
        outcome = Outcome(status=ExecutionStatus.CANCELLED, error=cancelled())
        finish(row, outcome, condition=ExecutionRow.status == row.status)
    for each in waiting:  # so that its function ends as well
        wake(each.callback_id, {"cancelled": True})
    return True


def callbacks_of(place: Place, *, paused_only: bool = False) -> list[CallbackRow]:
    """Where a run waits: at its pauses, and for callbacks that have not been completed."""
    ranges = [CallbackRow.of_pauses(place.organization_id, place.id)]
    ranges += [] if paused_only else [CallbackRow.of_run(place.organization_id, place.id)]
    found: list[CallbackRow] = []
    for pk, prefix in ranges:
        found += CallbackRow.query(pk, CallbackRow.sk.startswith(prefix), consistent_read=True)
    return [row for row in found if not row.completed_at]


def write(
    place: Place, records: list[journal.Record], batch: int, node_ids: list[str], progress: int | None = None
) -> None:
    """Write a batch of node runs and where the run is; again, it is the same batch."""
    row = place.row()
    if records:
        made = journal.row_of(
            place.organization_id, place.id, batch, records, days_left(row), int(row.ttl or 0)
        )
        table.put(made, ACTOR)
    now: dict[str, Any] = {"current_node_ids": node_ids}
    if progress is not None:
        now["progress"] = progress
    table.touch(row, put=now, condition=_is_open())


def finish(
    row: ExecutionRow,
    outcome: Outcome,
    records: list[journal.Record] | None = None,
    batch: int = 0,
    counts: dict[str, int] | None = None,
    condition: Any = None,
) -> bool:
    """End a run, with what is left of its journal, in one transaction; False when it had ended already.

    Then its workflow is counted, whoever waits for it is told, and its error workflow is started.
    """
    organization_id, execution_id, moment = UUID(row.organization_id), UUID(row.id), clock.now()
    if row.cancel_requested_at and outcome.status == ExecutionStatus.COMPLETED:
        outcome = Outcome(status=ExecutionStatus.CANCELLED, error=cancelled())
    started = datetime.fromisoformat(row.started_at) if row.started_at else moment
    counts = counts or {}
    days = days_left(row)
    values: dict[str, Any] = {
        "status": outcome.status.value,
        "output": _stored(row, "output", outcome.output, days),
        "error": outcome.error.model_dump(mode="json") if outcome.error else None,
        "finished_at": clock.iso(moment),
        "duration_ms": max(0, int((moment - started).total_seconds() * 1000)),
        "current_node_ids": [],
        **ExecutionRow.status_keys(organization_id, execution_id, outcome.status, bool(row.is_express)),
    }
    if outcome.status == ExecutionStatus.COMPLETED:
        values["progress"] = 100
    for name, status in (
        ("nodes_run", "completed"),
        ("nodes_failed", "failed"),
        ("nodes_skipped", "skipped"),
    ):
        if counts:
            values[name] = counts.get(status, 0) + (counts.get("failed", 0) if status == "completed" else 0)
    waited = row.status == ExecutionStatus.WAITING
    writes = table.Transaction(ACTOR)
    still = _is_open()
    writes.change(row, values, condition=still if condition is None else still & condition)
    if records:
        ttl = int(row.ttl or 0)
        writes.put(journal.row_of(organization_id, execution_id, batch, records, days, ttl))
    try:
        writes.commit()
    except Conflict:
        _tell(Place(organization_id, execution_id).row())  # who ended it may have died before doing so
        return False
    if waited:
        _withdraw(organization_id, execution_id)
        if outcome.status == ExecutionStatus.CANCELLED:
            _cancel_children(organization_id, execution_id)
    head = WorkflowRow(*WorkflowRow.at(organization_id, UUID(row.workflow_id)))
    table.touch(head, add={"execution_count": 1}, put={"last_executed_at": clock.iso(moment)})
    _tell(row)
    return True


def _withdraw(organization_id: UUID, execution_id: UUID) -> None:
    """Take back the questions that nobody has decided."""
    pk, prefix = QuestionRow.of_run(organization_id, execution_id)
    rows = QuestionRow.query(pk, QuestionRow.sk.startswith(prefix), consistent_read=True)
    approvals.withdraw(organization_id, [UUID(question.approval_id) for question in rows], ACTOR)


def _cancel_children(organization_id: UUID, execution_id: UUID) -> None:
    """End the runs that a cancelled run waits for."""
    pk, prefix = ChildRow.of_run(organization_id, execution_id)
    for child in ChildRow.query(pk, ChildRow.sk.startswith(prefix), consistent_read=True):
        row = table.get(ExecutionRow, ExecutionRow.at(organization_id, UUID(child.execution_id)))
        if row:
            cancel(row)


def _tell(row: ExecutionRow) -> None:
    """Tell whoever waits for a run that it has ended; again, that is harmless."""
    if row.status in OPEN:
        return
    if row.parent_callback:
        wake(row.parent_callback, {"executionId": row.id})
    failed = row.status in (ExecutionStatus.FAILED, ExecutionStatus.TIMEOUT)
    if failed and row.error_workflow_id and not row.handles_error:
        from weconnect.executions import starting  # which needs us

        starting.start_for_error(row)


def wake(callback_id: str, value: Any) -> bool:
    """Send a value to where a run waits; False when that failed. One that is gone needs nothing."""
    return send(callback_id, value) != "failed"


def send(callback_id: str, value: Any) -> Literal["sent", "gone", "failed"]:
    """Send a value to where a run waits: the platform takes one, and calls it gone afterwards."""
    try:
        durable.lambda_client().send_durable_execution_callback_success(
            CallbackId=callback_id, Result=json.dumps(value)
        )
    except Exception as error:
        code = getattr(error, "response", {}).get("Error", {}).get("Code")
        if code in ("CallbackTimeoutException", "ResourceNotFoundException"):
            return "gone"
        logger.warning("could not wake a run", callback_id=callback_id, error=repr(error))
        return "failed"
    return "sent"


def cancelled() -> ExecutionError:
    return ExecutionError(code="cancelled", message="The run was cancelled")


def days_left(row: Row) -> int:
    """Days until the run's row expires: how long what belongs to it is kept."""
    return max(1, -((clock.epoch() - int(row.ttl or 0)) // 86_400))


def store_text(organization_id: UUID, execution_id: UUID, name: str, value: Any, days: int) -> Any:
    """A JSON value as text, or a pointer to a longer one."""
    place = f"runs/{execution_id}/{name}"
    return payloads.store(organization_id, place, json.dumps(value), days, INLINE_BYTES)


def loaded(row: ExecutionRow, name: str) -> Any:
    """The JSON value that a run's row holds as text."""
    text = getattr(row, name)
    return None if text is None else json.loads(payloads.load(row.organization_id, text))


def _stored(row: ExecutionRow, name: str, value: Any, days: int) -> Any:
    if value is None:
        return None
    return store_text(UUID(row.organization_id), UUID(row.id), name, value, days)


def _is_open() -> Any:
    return ExecutionRow.status.is_in(*[state.value for state in OPEN])
