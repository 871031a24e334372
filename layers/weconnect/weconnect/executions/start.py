"""The start of an execution; every execution is started here.

A caller, a retry, an event, a failed execution, a node, a loop and an agent's tool each make a `StartExecution`. What
is executed is read in one call together with the limits; the execution is counted, stored and admitted or queued, and
its function is invoked. A crash in between leaves a stored execution, which the sweeper starts.
"""

from contextlib import ExitStack
from typing import NamedTuple

from weconnect.auth.limits import enforcement
from weconnect.db import table
from weconnect.errors import Conflict
from weconnect.events.subscriptions import MAX_DEPTH
from weconnect.executions import children, followups, lifecycle, trees
from weconnect.executions.concurrency import admission
from weconnect.executions.entities import ExecutionStatus
from weconnect.executions.errors import TooDeep, TooManyDescendants
from weconnect.executions.invocation import invoke
from weconnect.executions.kinds import get_kind
from weconnect.executions.requests import StartExecution
from weconnect.executions.rows import AnyRow


class StartedExecution(NamedTuple):
    """An execution as it is stored; `is_new` is False when an earlier request with its ID has stored it."""

    row: AnyRow
    is_new: bool


def start(request: StartExecution) -> StartedExecution:
    """Start an execution: store it, and have it executed unless a parent does that. Idempotent by its ID.

    An express execution has ended afterwards. One without a free slot is pending until it is admitted. Raises TooDeep,
    the kind's problems (not found, inactive, forbidden), LimitReached, InputTooLarge, ConcurrencyLimitReached and
    TooManyDescendants.
    """
    if request.depth > MAX_DEPTH:
        raise TooDeep(f"Executions may start each other at most {MAX_DEPTH} levels deep.")
    counted_for = request.counted_for
    limit_keys = enforcement.keys_to_read(counted_for) if counted_for else []
    prepared = get_kind(request.kind).prepare(request, limit_keys)
    with ExitStack() as undo:
        counted = enforcement.count_execution(counted_for, prepared.rows) if counted_for else None
        if counted:
            undo.callback(counted.undo)
        tree = trees.place(request, counted.max_descendants if counted else -1)
        if request.parent:
            try:
                trees.count_descendant(request.organization_id, tree)
            except TooManyDescendants:
                existing = children.find(request.parent, request.execution_id)
                if existing is None:
                    raise
                return StartedExecution(existing, is_new=False)
            undo.callback(trees.uncount_descendant, request.organization_id, tree)
        row = prepared.build_row(counted.retention_days if counted else request.retention_days)
        row.set(tree=tree)
        started = _store(request, row, counted.max_concurrent if counted else None)
        if started.is_new:
            undo.pop_all()
    if started.is_new and started.row.is_express:
        prepared.execute(started.row)
    elif request.parent is None:
        invoke_if_pending(started.row)
    return started


def invoke_if_pending(row: AnyRow) -> None:
    """Invoke the function of an execution that has not begun. Idempotent."""
    if row.status == ExecutionStatus.PENDING:
        invoke(row)


def _store(request: StartExecution, row: AnyRow, organization_limit: int | None) -> StartedExecution:
    """Store an execution, admitted when there are slots, else queued. Raises ConcurrencyLimitReached."""
    if request.parent:
        admission.share_slot(row, children.list_ancestors(request.parent))
        # The reference comes first: a cancellation of the parent finds it, or the parent sees that it is cancelled.
        children.add_reference(request.parent, row)
    try:
        stored = admission.store(row, request.actor, organization_limit)
    except Conflict:
        existing = table.get(type(row), (row.pk, row.sk))
        if existing is None:
            raise
        return StartedExecution(existing, is_new=False)
    if not stored.to_cancel:
        return StartedExecution(stored.row, is_new=True)
    followups.cancel_all(stored.to_cancel)
    return StartedExecution(lifecycle.reload(stored.row), is_new=True)
