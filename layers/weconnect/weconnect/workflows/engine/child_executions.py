"""Executions of workflows that another execution, of a workflow or an agent, starts and waits for."""

from collections.abc import Iterator
from typing import Any, Protocol
from uuid import UUID

from weconnect import ids
from weconnect.db import table
from weconnect.errors import Conflict, Invalid, NotFound
from weconnect.events.subscriptions import MAX_DEPTH
from weconnect.executions import lifecycle
from weconnect.executions.concurrency import admission
from weconnect.executions.entities import OPEN_STATUSES
from weconnect.executions.errors import ConcurrencyLimitReached, ExecutionNotFound
from weconnect.executions.followups import cancel_execution, store_execution_once
from weconnect.executions.lifecycle import ACTOR
from weconnect.executions.new_executions import build_row, choose_retention_days, load_active_workflow
from weconnect.executions.results import ChildResult
from weconnect.executions.rows import ChildRow, ExecutionRow
from weconnect.executions.stored_values import count_days_left, store_value, to_execution
from weconnect.node_sdk.node_type import NodeError
from weconnect.workflows.engine.execution_snapshot import ExecutionSnapshot, LoopSlice
from weconnect.workflows.entities import WorkflowSettings, WorkflowVersion
from weconnect.workflows.rows import WorkflowRow


class ParentExecution(Protocol):
    """The row of an execution, of a workflow or an agent, that waits for others."""

    @property
    def pk(self) -> str: ...
    @property
    def sk(self) -> str: ...
    @property
    def ttl(self) -> int | None: ...
    @property
    def id(self) -> str: ...
    @property
    def organization_id(self) -> str: ...
    @property
    def user_id(self) -> str: ...
    @property
    def api_key_id(self) -> str | None: ...
    @property
    def parent_key(self) -> list[str] | None: ...
    @property
    def depth(self) -> int: ...


def store(parent: ParentExecution, name: str, workflow_id: UUID, value: Any) -> UUID:
    """Store an execution that a parent waits for, and return its ID. Idempotent by its `name` within the parent.

    `start` starts it. Raises NodeError.
    """
    if int(parent.depth or 0) + 1 > MAX_DEPTH:
        raise NodeError("too_deep", f"Executions may start each other at most {MAX_DEPTH} levels deep")
    try:
        head, version = load_active_workflow(UUID(parent.organization_id), workflow_id)
        return _store(parent, _build_child(head, version, parent, name, value))
    except (NotFound, Conflict, Invalid) as problem:
        retryable = isinstance(problem, ConcurrencyLimitReached)
        raise NodeError(problem.code, problem.detail, retryable=retryable) from problem


def store_slice(parent: ExecutionRow, name: str, loop_slice: LoopSlice, snapshot: ExecutionSnapshot) -> UUID:
    """Store an execution that processes batches of a loop as a part of its parent, and return its ID. Idempotent.

    It has the version and the depth of its parent, is not counted and needs no slot; its failure is the parent's.
    """
    organization_id, days = UUID(parent.organization_id), snapshot.retention_days
    execution_id = derive_id(parent, name)
    head = WorkflowRow(
        organization_id=parent.organization_id, id=parent.workflow_id, name=parent.workflow_name
    )
    part = {
        "part": loop_slice.model_dump(mode="json", exclude={"items"}),
        "variables": snapshot.variables.model_dump(mode="json"),
    }
    reused_from = snapshot.reused_from
    row = build_row(
        head,
        snapshot.workflow_version,
        execution_id,
        snapshot.user_id,
        loop_slice.items,
        days,
        mode="subworkflow",
        settings=WorkflowSettings(),
        max_input_bytes=None,
        api_key_id=parent.api_key_id,
        parent_execution_id=parent.id,
        parent_key=[parent.pk, parent.sk],
        depth=int(parent.depth or 0),
        reuses_outputs_of=str(ids.derived_from(reused_from, name)) if reused_from else None,
        part=store_value(organization_id, execution_id, "part", part, days),
    )
    return _store(parent, row)


def _store(parent: ParentExecution, row: ExecutionRow) -> UUID:
    """Store a child with the parent's reference to it, and return its ID. Idempotent."""
    # The reference comes first: a cancellation of the parent finds it, or `start` sees that the parent is cancelled.
    pk, sk = ChildRow.at(UUID(parent.organization_id), UUID(parent.id), UUID(row.id))
    table.put(ChildRow(pk=pk, sk=sk, id=row.id, ttl=parent.ttl), ACTOR)
    return UUID(store_execution_once(row, -1).id)


def start(organization_id: UUID, execution_id: UUID, callback_id: str, *, is_cancelled: bool = False) -> None:
    """Start a stored execution whose end completes a callback; cancel it when the parent `is_cancelled`. Idempotent.

    One that has ended meanwhile completes the callback at once, and a slice of a paused parent is paused with it.
    """
    at = ExecutionRow.at(organization_id, execution_id)
    table.touch(ExecutionRow(*at), put={"parent_callback": callback_id})
    row = table.require(ExecutionRow, at, ExecutionNotFound)
    if row.part and (requested_at := _load_parent_pause(row)):
        table.touch(row, put={"pause_requested_at": requested_at})
        if not _load_parent_pause(row):  # it was resumed meanwhile, by a process that did not see this slice
            table.touch(row, put={"pause_requested_at": None})
    if row.status not in OPEN_STATUSES:
        lifecycle.wake_callback(callback_id, {"executionId": row.id})
    elif is_cancelled:
        cancel_execution(row)
    else:
        admission.invoke(row)


def load_result(parent: ParentExecution, name: str) -> ChildResult:
    """Return the result of the execution that was stored under this name, as it is now.

    Nothing waits for it any more, so it is cancelled when it is still open. Raises NodeError when it has expired.
    """
    organization_id, execution_id = UUID(parent.organization_id), derive_id(parent, name)
    row = table.get(ExecutionRow, ExecutionRow.at(organization_id, execution_id))
    if row is None:
        raise NodeError("subworkflow_gone", "The child execution was deleted or has expired")
    execution = to_execution(row)
    if row.status in OPEN_STATUSES:
        cancel_execution(row)
    error: Any = execution.error.to_json_dict() if execution.error else None
    return {
        "executionId": row.id,
        "status": execution.status.value,
        "output": execution.output,
        "error": error,
    }


def derive_id(parent: ParentExecution, name: str) -> UUID:
    """Return the ID of an execution that a parent starts under a name: the same at each attempt."""
    return ids.derived_from(UUID(parent.id), name)


def _build_child(
    head: WorkflowRow, version: WorkflowVersion, parent: ParentExecution, name: str, value: Any
) -> ExecutionRow:
    """Return the row of a child. It needs no slot of a semaphore that an execution above it has passed."""
    settings = version.definition.settings
    row = build_row(
        head,
        version.number,
        derive_id(parent, name),
        UUID(parent.user_id),
        value,
        choose_retention_days(settings, count_days_left(parent)),
        mode="subworkflow",
        settings=settings,
        concurrency=admission.evaluate_concurrency(settings, value),
        api_key_id=parent.api_key_id,
        parent_execution_id=parent.id,
        parent_key=[parent.pk, parent.sk],
        depth=int(parent.depth or 0) + 1,
        # Otherwise its own error workflow could lead back to the execution that handles an error.
        handles_error=isinstance(parent, ExecutionRow) and bool(parent.handles_error),
    )
    if row.concurrency and any(admission.share_semaphore(row, above) for above in _load_ancestors(parent)):
        row.concurrency = None
    return row


def _load_parent_pause(row: ExecutionRow) -> str | None:
    """Return the time at which a pause of a slice's parent was requested (ISO 8601); None without one."""
    assert row.parent_key, "a slice has a parent"
    pk, sk = row.parent_key
    return table.require(ExecutionRow, (pk, sk), ExecutionNotFound).pause_requested_at


def _load_ancestors(parent: ParentExecution) -> Iterator[ExecutionRow]:
    """Yield the workflows' executions that wait for each other, from `parent` upwards, those above agents included."""
    row: Any = parent
    while row is not None:
        if isinstance(row, ExecutionRow):
            yield row
        if not row.parent_key:
            return
        at = (row.parent_key[0], row.parent_key[1])
        row = table.get_many([at]).get(at)
