"""Snapshots: the data that an execution works with from start to end, whatever changes meanwhile."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel

from weconnect import clock
from weconnect.executions import trees
from weconnect.executions.stored_values import load_value
from weconnect.node_sdk.node_type import Items, ItemsByOutput
from weconnect.workflows.entities import WorkflowDefinition
from weconnect.workflows.executions import callbacks, journal
from weconnect.workflows.executions.rows import ExecutionKey, WorkflowExecutionRow
from weconnect.workflows.executions.trigger_items import to_items
from weconnect.workflows.variables import snapshot as variables
from weconnect.workflows.variables.snapshot import VariableSnapshot


class LoopSlice(BaseModel):
    """The batches of a loop that an execution processes as part of another one, and what their nodes see of that.

    - `suffix`: the iterations of the loops around the loop, as in the paths of node runs.
    - `first`: the number of the first batch; `size`: the items of each.
    - `nodes`: the outputs of the earlier nodes that the loop's body names, by node name.
    - `execution_id`, `mode`: those of the execution that was asked for; `seconds_used`: how much of its time is over.
    """

    node_id: str
    suffix: str
    first: int
    size: int
    items: Items = []
    nodes: dict[str, ItemsByOutput] = {}
    execution_id: UUID | None = None
    mode: str = ""
    seconds_used: float = 0.0


class ExecutionSnapshot(BaseModel):
    """The data that an execution works with; later changes of the workflow or its variables do not affect it.

    `started_at` is in epoch seconds. `reused_outputs` are those of an earlier execution, `reused_from`, by path; the
    nodes there are not executed. `starts_in_parallel`: several of its nodes may start executions at the same time.
    `retention_days`: those of an express execution, whose files expire by themselves.
    """

    user_id: UUID
    workflow_id: UUID
    workflow_name: str
    workflow_version: int
    mode: str
    started_at: float
    definition: WorkflowDefinition
    trigger: Any = None
    trigger_node_id: str | None = None
    reused_outputs: dict[str, ItemsByOutput] = {}
    reused_from: UUID | None = None
    callback_token: str = ""
    retention_days: int | None = None
    is_express: bool = False
    handles_error: bool = False
    starts_in_parallel: bool = True
    variables: VariableSnapshot = VariableSnapshot()
    loop_slice: LoopSlice | None = None

    def seconds_used_before(self) -> float:
        """Return the seconds of the time limit that were used before the start: 0, except in a slice of a loop."""
        return self.loop_slice.seconds_used if self.loop_slice else 0.0

    def trigger_items(self) -> Items:
        """Return the items that the trigger node outputs."""
        return to_items(self.trigger)


def take_snapshot(row: WorkflowExecutionRow, definition: WorkflowDefinition) -> ExecutionSnapshot:
    """Return the snapshot of an execution that starts now: its definition, input and variables."""
    organization_id = UUID(row.organization_id)
    reused_from = UUID(row.reuses_outputs_of) if row.reuses_outputs_of else None
    part = load_value(row, "part")
    loop_slice = LoopSlice(items=load_value(row, "input"), **part["part"]) if part else None
    root = row
    if loop_slice and loop_slice.execution_id:
        root = ExecutionKey(organization_id, loop_slice.execution_id).load()
    return ExecutionSnapshot(
        user_id=UUID(row.user_id),
        workflow_id=UUID(row.workflow_id),
        workflow_name=row.workflow_name,
        workflow_version=row.workflow_version,
        mode=row.mode,
        started_at=clock.now().timestamp(),
        definition=definition,
        trigger=load_value(root, "input"),
        trigger_node_id=row.trigger_node_id,
        reused_outputs=journal.load_outputs(organization_id, reused_from) if reused_from else {},
        reused_from=reused_from,
        callback_token=_create_callback_token(row, definition),
        retention_days=row.retention_days if row.is_express and row.retention_days > 0 else None,
        is_express=bool(row.is_express),
        handles_error=bool(row.handles_error),
        starts_in_parallel=trees.starts_in_parallel(row.tree),
        variables=VariableSnapshot(**part["variables"])
        if part
        else variables.take_snapshot(organization_id, UUID(row.workflow_id), definition),
        loop_slice=loop_slice,
    )


def _create_callback_token(row: WorkflowExecutionRow, definition: WorkflowDefinition) -> str:
    """Return the token with which a caller resumes the workflow's wait nodes; empty when it has none."""
    has_callbacks = any(node.type == "wait" for node in definition.nodes)
    return callbacks.create_token(row) if has_callbacks else ""
