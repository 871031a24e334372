"""Executions of workflows that callers start: new ones, and retries of finished ones."""

from typing import cast
from uuid import UUID

from weconnect.api.caller import Caller
from weconnect.api.idempotency import replay_safe_id
from weconnect.executions import service as executions
from weconnect.executions.entities import OPEN_STATUSES, ExecutionMode
from weconnect.executions.errors import StillOpen
from weconnect.executions.requests import StartExecution
from weconnect.executions.start import start
from weconnect.executions.stored_values import load_value
from weconnect.workflows.executions import service
from weconnect.workflows.executions.conversion import to_execution
from weconnect.workflows.executions.entities import Execution, NewWorkflowExecution, RetryRequest
from weconnect.workflows.executions.errors import PartOfExecution
from weconnect.workflows.executions.rows import WorkflowExecutionRow


def start_for_caller(
    caller: Caller, workflow_id: UUID, new: NewWorkflowExecution, wait_seconds: int
) -> Execution:
    """Start an execution and return it after at most `wait_seconds`, or as soon as it has ended.

    An express execution runs within the call. Without a free slot the execution is pending until it is admitted.
    Raises WorkflowNotFound, Forbidden, WorkflowInactive, TriggerNotFound, InputTooLarge, ConcurrencyKeyFailed,
    ConcurrencyLimitReached, Invalid `workflow_invalid` for a test, and LimitReached with its Retry-After.
    """
    request = StartExecution.by_caller(
        caller,
        "workflow",
        workflow_id,
        new.input,
        mode=new.mode,
        trigger_node_id=new.trigger_node_id,
        express="preferred" if wait_seconds else "as_set",
    )
    row = cast("WorkflowExecutionRow", start(request).row)
    return to_execution(executions.wait(row, wait_seconds))


def retry(caller: Caller, execution_id: UUID, body: RetryRequest, retry_id: UUID | None = None) -> Execution:
    """Execute the version and the input of a finished execution again, and return the new execution.

    From the failed node on, the outputs of completed nodes are reused. With the ID of a retry that was started before
    (`retry_id`), that one is returned. Raises ExecutionNotFound, Forbidden, StillOpen, PartOfExecution,
    WorkflowNotFound, WorkflowInactive, ConcurrencyLimitReached, LimitReached.
    """
    earlier = service.require(caller, execution_id, "control")
    if earlier.status in OPEN_STATUSES:
        raise StillOpen(f"The execution is {earlier.status}. Retry it when it has finished.")
    if earlier.is_part:
        detail = "The execution processes batches of a loop for another execution. Retry that one."
        raise PartOfExecution(detail)
    request = StartExecution(
        kind="workflow",
        organization_id=caller.organization_id,
        target_id=UUID(earlier.workflow_id),
        execution_id=retry_id or replay_safe_id(),
        user_id=caller.user_id,
        input=load_value(earlier, "input"),
        mode=cast(ExecutionMode, earlier.mode),
        version=int(earlier.workflow_version),
        counted_for=caller,
        actor=caller.actor(),
        api_key_id=caller.api_key_id,
        depth=int(earlier.depth or 0),
        trigger_node_id=earlier.trigger_node_id,
        retry_of=earlier,
        reuses_outputs_of=execution_id if body.from_ == "failed_node" else None,
    )
    return to_execution(cast("WorkflowExecutionRow", start(request).row))
