"""Executions of workflows for callers: read, list, cancel, pause, resume and delete them. `starts` starts them."""

from datetime import datetime
from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.api.pagination import Page
from weconnect.errors import Problem
from weconnect.executions import callback_tokens
from weconnect.executions import service as executions
from weconnect.executions.concurrency import admission
from weconnect.executions.entities import ACTIVE_STATUSES, ExecutionMode, ExecutionStatus
from weconnect.executions.kinds import Operation
from weconnect.executions.service import Source
from weconnect.hiding import Hiding
from weconnect.workflows.executions import journal
from weconnect.workflows.executions.conversion import to_execution
from weconnect.workflows.executions.entities import (
    Execution,
    ExecutionWithNodes,
    NodeExecution,
    NodeExecutionSummary,
)
from weconnect.workflows.executions.journal import JournalEntry
from weconnect.workflows.executions.kind import WORKFLOW
from weconnect.workflows.executions.rows import WorkflowExecutionRow
from weconnect.workflows.sharing import access, listing


def require(caller: Caller, execution_id: UUID, operation: Operation) -> WorkflowExecutionRow:
    """Return the row of an execution that the caller may view, control or delete.

    Raises ExecutionNotFound, and Forbidden where the caller may at least see it.
    """
    key = WorkflowExecutionRow.at(caller.organization_id, execution_id)
    return executions.require(WORKFLOW, caller, key, operation)


def hide_tokens(caller: Caller, row: WorkflowExecutionRow) -> Hiding:
    """Return what hides callback tokens in an execution: nothing for a caller who may control it."""
    try:
        access.require_execution(caller, row, access.CONTROL_EXECUTION)
    except Problem:
        return callback_tokens.hide_tokens(caller.organization_id)
    return Hiding()


def load_entries(caller: Caller, row: WorkflowExecutionRow, after: int = 0) -> list[JournalEntry]:
    """Return the node runs of an execution, those of the batches after number `after`, as the caller may see them.

    Their items are as they are stored: `show_node` hides what is in those that are shown.
    """
    entries = journal.load_entries(caller.organization_id, UUID(row.id), after)
    hiding = hide_tokens(caller, row)
    failed = [entry for entry in entries if "error" in entry]
    for entry, error in zip(failed, hiding.hide_messages([each["error"] for each in failed]), strict=True):
        entry["error"] = error
    for entry in entries:
        if "logs" in entry:
            entry["logs"] = hiding.hide_messages(entry["logs"])
    return entries


def show_node(caller: Caller, row: WorkflowExecutionRow, entry: JournalEntry) -> NodeExecution:
    """Return one of the node runs that `load_entries` returns with its items, as the caller may see it."""
    hiding = hide_tokens(caller, row)
    input_, output = hiding.hide_values(entry["input"]), hiding.hide_values(entry["output"])
    return journal.to_node_execution({**entry, "input": input_, "output": output})


def load_summaries(caller: Caller, row: WorkflowExecutionRow) -> list[NodeExecutionSummary]:
    """Return the node runs of an execution as the caller may see them, without their items: the last 10,000."""
    return [journal.to_summary(entry) for entry in load_entries(caller, row)[-journal.MAX_SHOWN :]]


def show(caller: Caller, row: WorkflowExecutionRow, *, with_values: bool = True) -> Execution:
    """Return an execution as the caller may see it; without input and output unless `with_values`."""
    execution = to_execution(row, with_values=with_values)
    hiding = hide_tokens(caller, row)
    values = hiding.hide_values({"input": execution.input, "output": execution.output})
    error = execution.error and execution.error.model_copy(
        update={"message": hiding.hide(execution.error.message)}
    )
    return execution.model_copy(update={**values, "error": error})


def get(caller: Caller, execution_id: UUID) -> ExecutionWithNodes:
    """Return an execution with a summary of each node run and, while it is queued, its position in the queue.

    Raises ExecutionNotFound, Forbidden.
    """
    row = require(caller, execution_id, "view")
    nodes = load_summaries(caller, row)
    position = admission.get_queue_position(row) if row.waits_for else None
    return ExecutionWithNodes(**show(caller, row).model_dump(), nodes=nodes, queue_position=position)


def find(
    caller: Caller,
    *,
    limit: int,
    cursor: str | None,
    workflow_id: UUID | None = None,
    status: ExecutionStatus | None = None,
    mode: ExecutionMode | None = None,
    after: datetime | None = None,
    before: datetime | None = None,
) -> Page[Execution]:
    """Return a page of the organization's executions, newest first, without their input and output.

    `after` and `before` bound their start. A caller without the permission to read all of them gets those that they
    started, of workflows that are shared with them for execution.
    """
    shared_ids = None
    if not caller.has_permission(access.VIEW_EXECUTION.permission):
        shared_ids = {str(row.id) for row in listing.list_shared_workflows(caller, access.VIEW_EXECUTION)}

    def is_visible(row: WorkflowExecutionRow) -> bool:
        """Return whether an execution has the mode, and the caller may see it."""
        is_shared = shared_ids is None or (
            row.user_id == str(caller.user_id) and row.workflow_id in shared_ids
        )
        return is_shared and (mode is None or row.mode == mode)

    page = executions.find(
        WORKFLOW,
        choose_source(caller.organization_id, workflow_id, status),
        limit=limit,
        cursor=cursor,
        status=status,
        after=after,
        before=before,
        keep=is_visible if mode or shared_ids is not None else None,
        filters=[workflow_id, mode, None if shared_ids is None else caller.user_id],
    )
    messages = callback_tokens.hide_tokens(caller.organization_id).hide(
        [item.error.message if item.error else None for item in page.items]
    )
    for item, message in zip(page.items, messages, strict=True):
        item.error = item.error and item.error.model_copy(update={"message": message})
    return page


def choose_source(organization_id: UUID, workflow_id: UUID | None, status: ExecutionStatus | None) -> Source:
    """Return the index and the partition with all matching executions and the fewest others.

    A partition holds the executions of one workflow, of one status, or of the whole organization.
    """
    if workflow_id:
        return Source("gsi3", WorkflowExecutionRow.of_workflow(organization_id, workflow_id))
    if status and status not in (*ACTIVE_STATUSES, ExecutionStatus.COMPLETED):
        return Source("gsi2", WorkflowExecutionRow.by_status(organization_id, status))
    return Source("gsi1", WorkflowExecutionRow.of_organization(organization_id))


def cancel(caller: Caller, execution_id: UUID) -> Execution:
    """Cancel an execution. Raises ExecutionNotFound, Forbidden, AlreadyFinished."""
    return executions.cancel(WORKFLOW, caller, WorkflowExecutionRow.at(caller.organization_id, execution_id))


def delete(caller: Caller, execution_id: UUID) -> None:
    """Delete a finished execution. Raises ExecutionNotFound, Forbidden, StillOpen."""
    executions.delete(WORKFLOW, caller, WorkflowExecutionRow.at(caller.organization_id, execution_id))


def pause(caller: Caller, execution_id: UUID) -> Execution:
    """Pause an execution at its next step. Raises ExecutionNotFound, Forbidden, ExpressExecution, AlreadyFinished."""
    return executions.pause(WORKFLOW, caller, WorkflowExecutionRow.at(caller.organization_id, execution_id))


def resume(caller: Caller, execution_id: UUID) -> Execution:
    """Resume a paused execution. Raises ExecutionNotFound, Forbidden, NotPaused."""
    return executions.resume(WORKFLOW, caller, WorkflowExecutionRow.at(caller.organization_id, execution_id))
