"""The states of a workflow's run: pending → running ⇄ waiting, paused → an end (`ending`).

Every move is a conditional write, and a terminal state never changes. Nothing has an effect before it has passed
`fence`, which reads what was asked of the run meanwhile.
"""

import hashlib
import json
import secrets
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from weconnect import clock, durable
from weconnect.db import payloads, table
from weconnect.db.table import Row
from weconnect.errors import Conflict, NotFound
from weconnect.executions import journal
from weconnect.executions.entities import OPEN, ExecutionError, ExecutionStatus
from weconnect.executions.rows import CallbackRow, ExecutionRow
from weconnect.log import logger
from weconnect.workflows.definition import versions
from weconnect.workflows.entities import WorkflowDefinition
from weconnect.workflows.node_sdk.node_type import Items, Outputs
from weconnect.workflows.variables import snapshot as variables
from weconnect.workflows.variables.snapshot import Variables

ACTOR = {"system": "run_workflow"}
INLINE_BYTES = 4_000  # the run's row stands in three indexes: longer texts leave it
EXPRESS_SECONDS = 25.0  # a route has 29


@dataclass(frozen=True)
class Place:
    """Which run this is."""

    organization_id: UUID
    id: UUID

    @cached_property
    def key(self) -> tuple[str, str]:
        return ExecutionRow.at(self.organization_id, self.id)

    def row(self) -> ExecutionRow:
        """The run as it stands now."""
        return table.need(ExecutionRow, self.key, "execution")


class Part(BaseModel):
    """The batches of a loop that a run is for, as part of another one, and what its body sees of that.

    `suffix`: the iterations of the loops around it; `first`: the number of the first batch, and `size` how many items
    each has; `nodes`: what nodes before have answered, those that the body names; `run_id`: the run that was asked for,
    and `spent` how many seconds of its time are over.
    """

    node_id: str
    suffix: str
    first: int
    size: int
    items: Items = []
    nodes: dict[str, Outputs] = {}
    run_id: UUID | None = None
    mode: str = ""
    spent: float = 0.0


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
    depth: int = 0
    express: bool = False
    variables: Variables = Variables()
    part: Part | None = None

    def spent(self) -> float:
        """Seconds of the run's time that were over when it began: those of the run that it is part of."""
        return self.part.spent if self.part else 0.0

    def items(self) -> Items:
        """The items that the trigger answers."""
        return items_of(self.trigger)


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
            from weconnect.executions import completion  # which needs us

            completion.finish(
                row, completion.Outcome(status=ExecutionStatus.CANCELLED, error=completion.cancelled())
            )
        return None
    try:
        version = versions.load(place.organization_id, UUID(row.workflow_id), row.workflow_version)
    except NotFound:
        from weconnect.executions import completion

        error = ExecutionError(code="workflow_gone", message="Its workflow was deleted before it began")
        completion.finish(row, completion.Outcome(status=ExecutionStatus.FAILED, error=error))
        return None
    return pin(row, version.definition).model_dump(mode="json")


def pin(row: ExecutionRow, definition: WorkflowDefinition) -> Pinned:
    """What a run begins with."""
    organization_id = UUID(row.organization_id)
    kept_from = UUID(row.keeps) if row.keeps else None
    known = loaded(row, "part") or {}
    part = Part(items=loaded(row, "input"), **known["part"]) if known else None
    asked = Place(organization_id, part.run_id).row() if part and part.run_id else row
    return Pinned(
        user_id=row.user_id,
        workflow_id=row.workflow_id,
        workflow_name=row.workflow_name,
        workflow_version=row.workflow_version,
        mode=row.mode,
        started=clock.now().timestamp(),
        definition=definition,
        trigger=loaded(asked, "input"),
        trigger_node_id=row.trigger_node_id,
        kept=journal.outputs_of(organization_id, kept_from) if kept_from else {},
        kept_from=kept_from,
        callback_token=_token(row, definition),
        retention_days=days_left(row),
        depth=int(row.depth or 0),
        express=bool(row.is_express),
        variables=Variables(**known["variables"])
        if known
        else variables.pin(organization_id, UUID(row.workflow_id), definition),
        part=part,
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
    used = pinned.spent() + clock.now().timestamp() - pinned.started
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
    table.touch(row, put=now, condition=is_open())


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


def is_open() -> Any:
    """The condition that a run has not ended."""
    return ExecutionRow.status.is_in(*[state.value for state in OPEN])
