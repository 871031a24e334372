"""Executions that a workflow's execution starts and waits for: of subworkflow nodes, and slices of long loops."""

from typing import Any
from uuid import UUID

from weconnect import ids
from weconnect.errors import Problem
from weconnect.executions import child_calls
from weconnect.executions.errors import ConcurrencyLimitReached, ExecutionNotFound
from weconnect.executions.requests import StartExecution, derive_child_id
from weconnect.executions.results import ExecutionResult
from weconnect.executions.start import start
from weconnect.node_sdk.node_type import NodeError
from weconnect.workflows.engine.execution_snapshot import ExecutionSnapshot, LoopSlice
from weconnect.workflows.executions.rows import WorkflowExecutionRow


def store(parent: WorkflowExecutionRow, name: str, workflow_id: UUID, value: Any) -> UUID:
    """Store an execution that its parent waits for, and return its ID. Idempotent by its `name` within the parent.

    Raises NodeError.
    """
    request = StartExecution.by_parent(parent, name, "workflow", workflow_id, value)
    try:
        return UUID(start(request).row.id)
    except Problem as problem:
        if problem.status >= 500:
            raise
        retryable = isinstance(problem, ConcurrencyLimitReached)
        raise NodeError(problem.code, problem.detail, retryable=retryable) from problem


def store_slice(
    parent: WorkflowExecutionRow, name: str, loop_slice: LoopSlice, snapshot: ExecutionSnapshot
) -> UUID:
    """Store an execution that processes batches of a loop as a part of its parent, and return its ID. Idempotent.

    It has the version and the depth of its parent, is not counted and needs no slot; its failure is the parent's.
    """
    reused_from = snapshot.reused_from
    request = StartExecution(
        kind="workflow",
        organization_id=UUID(parent.organization_id),
        target_id=snapshot.workflow_id,
        execution_id=derive_child_id(UUID(parent.id), name),
        user_id=snapshot.user_id,
        input=loop_slice.items,
        mode="subworkflow",
        api_key_id=UUID(parent.api_key_id) if parent.api_key_id else None,
        retention_days=parent.retention_days,
        depth=int(parent.depth or 0),
        parent=parent,
        reuses_outputs_of=ids.derived_from(reused_from, name) if reused_from else None,
        part={
            "part": loop_slice.model_dump(mode="json", exclude={"items"}),
            "variables": snapshot.variables.model_dump(mode="json"),
        },
    )
    return UUID(start(request).row.id)


def load_result(parent: WorkflowExecutionRow, name: str) -> ExecutionResult:
    """Return the result of the execution that was stored under this name, which is cancelled when it is still open.

    Raises NodeError when it has expired.
    """
    try:
        return child_calls.load_child_result(parent, name)
    except ExecutionNotFound as problem:
        raise NodeError("subworkflow_gone", "The child execution was deleted or has expired") from problem
