"""Start executions of workflows for callers: new ones, and retries of finished ones."""

from typing import cast
from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.api.idempotency import replay_safe_id
from weconnect.auth.limits import enforcement
from weconnect.db import table
from weconnect.errors import Conflict
from weconnect.executions import service
from weconnect.executions.concurrency import admission
from weconnect.executions.entities import (
    OPEN_STATUSES,
    Execution,
    ExecutionMode,
    NewWorkflowExecution,
    RetryRequest,
)
from weconnect.executions.errors import PartOfExecution, StillOpen, TriggerNotFound
from weconnect.executions.followups import store_execution
from weconnect.executions.new_executions import (
    build_row,
    choose_retention_days,
    require_definition,
    require_startable,
)
from weconnect.executions.rows import ExecutionRow
from weconnect.executions.stored_values import load_value, to_execution
from weconnect.workflows.definition import stored_versions, validation
from weconnect.workflows.engine import express
from weconnect.workflows.entities import WorkflowDefinition
from weconnect.workflows.rows import WorkflowRow, WorkflowVersionRow
from weconnect.workflows.sharing import access


def start(
    caller: Caller,
    workflow_id: UUID,
    new: NewWorkflowExecution,
    wait_seconds: int,
    *,
    may_be_express: bool = True,
) -> Execution:
    """Start an execution and return it after at most `wait_seconds`, or as soon as it has ended.

    An express execution runs within the call. Without a free slot the execution is pending until it is admitted.
    Raises WorkflowNotFound, Forbidden, WorkflowInactive, TriggerNotFound, InputTooLarge, ConcurrencyKeyFailed,
    ConcurrencyLimitReached, Invalid `workflow_invalid` for a test, and LimitReached with its Retry-After.
    """
    organization_id = caller.organization_id
    is_test = new.mode == "test"
    at = WorkflowRow.at(organization_id, workflow_id)
    version_kind = WorkflowVersionRow.at_newest if is_test else WorkflowVersionRow.at_active
    copy_at = version_kind(organization_id, workflow_id)
    rows = table.get_many([at, copy_at, *enforcement.keys_to_read(caller)])
    access.require(caller, rows.get(at), access.EXECUTE)
    head, definition = require_definition(rows.get(at), rows.get(copy_at), is_test=is_test)
    _require_trigger(definition, new.trigger_node_id)
    settings = definition.settings
    wants_express = may_be_express and (settings.execution == "express" or bool(wait_seconds))
    concurrency = admission.evaluate_concurrency(settings, new.input)
    counted = enforcement.count_execution(caller, rows)
    row = build_row(
        head,
        _get_version_number(head, is_test=is_test),
        replay_safe_id(),
        caller.user_id,
        new.input,
        choose_retention_days(settings, counted.retention_days),
        mode=new.mode,
        settings=settings,
        is_express=wants_express and validation.is_express(definition),
        concurrency=concurrency,
        api_key_id=caller.api_key_id,
        trigger_node_id=new.trigger_node_id,
    )
    stored = _store(caller, row, counted)
    if not stored.is_express:
        admission.invoke(stored)
    elif stored is row:  # not the one that an earlier attempt of this request has stored, and executes
        express.execute_express(row, definition)
    return service.wait(caller, to_execution(stored), wait_seconds)


def retry(caller: Caller, execution_id: UUID, body: RetryRequest, retry_id: UUID | None = None) -> Execution:
    """Execute the version and the input of a finished execution again, and return the new execution.

    From the failed node on, the outputs of completed nodes are reused. With the ID of a retry that was started before
    (`retry_id`), that one is returned. Raises ExecutionNotFound, Forbidden, StillOpen, PartOfExecution,
    WorkflowNotFound, WorkflowInactive, ConcurrencyLimitReached, LimitReached.
    """
    earlier = service.require_execution(caller, execution_id, access.CONTROL_EXECUTION)
    if earlier.status in OPEN_STATUSES:
        raise StillOpen(f"The execution is {earlier.status}. Retry it when it has finished.")
    if earlier.part:
        detail = "The execution processes batches of a loop for another execution. Retry that one."
        raise PartOfExecution(detail)
    at = WorkflowRow.at(caller.organization_id, UUID(earlier.workflow_id))
    rows = table.get_many([at, *enforcement.keys_to_read(caller)])
    head = require_startable(rows.get(at), is_test=earlier.mode == "test")
    number = int(earlier.workflow_version)
    version = stored_versions.load_version(caller.organization_id, UUID(head.id), number)
    settings = version.definition.settings
    value = load_value(earlier, "input")
    concurrency = admission.evaluate_concurrency(settings, value)
    counted = enforcement.count_execution(caller, rows)
    row = build_row(
        head,
        number,
        retry_id or replay_safe_id(),
        caller.user_id,
        value,
        choose_retention_days(settings, counted.retention_days),
        mode=cast(ExecutionMode, earlier.mode),
        settings=settings,
        concurrency=concurrency,
        api_key_id=caller.api_key_id,
        retry_of=earlier.id,
        retry_count=int(earlier.retry_count or 0) + 1,
        trigger_node_id=earlier.trigger_node_id,
        reuses_outputs_of=earlier.id if body.from_ == "failed_node" else None,
        depth=int(earlier.depth or 0),
        handles_error=bool(earlier.handles_error),
    )
    stored = _store(caller, row, counted)
    admission.invoke(stored)
    return to_execution(stored)


def _store(caller: Caller, row: ExecutionRow, counted: enforcement.CountedExecution) -> ExecutionRow:
    """Return the execution as it was stored: by this request, or by an earlier attempt of it."""
    try:
        return store_execution(row, caller.actor(), counted.max_concurrent)
    except Exception as error:
        counted.undo()
        earlier = table.get(ExecutionRow, (row.pk, row.sk))
        if not (isinstance(error, Conflict) and earlier):
            raise
        return earlier


def _require_trigger(definition: WorkflowDefinition, node_id: str | None) -> None:
    """Raise TriggerNotFound when a node ID is set but the workflow has no such node."""
    if node_id and node_id not in {node.id for node in definition.nodes}:
        detail = f"The workflow has no node {node_id!r}. Name one of its trigger nodes."
        raise TriggerNotFound(detail, pointer="/triggerNodeId")


def _get_version_number(head: WorkflowRow, *, is_test: bool) -> int:
    """Return the number of the version to execute: the newest one for a test, else the active one."""
    number = head.latest_version if is_test else head.active_version
    assert number is not None, "an active workflow has an active version"
    return int(number)
