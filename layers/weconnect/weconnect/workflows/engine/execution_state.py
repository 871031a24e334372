"""The state of an execution's walk through its graph, and what nodes and loops share in changing it."""

from abc import ABC, abstractmethod
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from weconnect.durable.steps import Steps
from weconnect.executions import lifecycle
from weconnect.executions.entities import ExecutionStatus
from weconnect.expressions import rendering
from weconnect.expressions.rendering import EvaluationContext, ExpressionError
from weconnect.node_sdk.entities import Node
from weconnect.node_sdk.node_type import ExpressionScope, Items, ItemsByOutput, NodeError, NodeRun
from weconnect.workflows.definition.graph import Graph, build_graph
from weconnect.workflows.engine import levels
from weconnect.workflows.engine.execution_snapshot import ExecutionSnapshot
from weconnect.workflows.engine.fenced_steps import ExecutionEnded, NodeResult
from weconnect.workflows.engine.journal_entries import build_entry, to_error
from weconnect.workflows.engine.levels import Level, NodeFailed, OperationsExhausted
from weconnect.workflows.engine.node_executor import NodeExecutor
from weconnect.workflows.engine.operation_plan import plan_operations
from weconnect.workflows.executions import journal
from weconnect.workflows.executions.journal import Journal, JournalEntry
from weconnect.workflows.executions.rows import ExecutionKey


class ExecutionState(ABC):
    """The state of one execution.

    - `outputs`: those of the nodes that have completed, by node name; `response`: what a `respond` node has set.
    - `moment`: the execution's clock, in epoch seconds; it moves with the steps, so that every replay reads the same.
    - `suspended_seconds`: how long it has waited; `groups` numbers the steps that suspend or branch.
    """

    def __init__(self, steps: Steps, key: ExecutionKey, snapshot: ExecutionSnapshot) -> None:
        self.steps = steps
        self.key = key
        self.snapshot = snapshot
        self.graph: Graph = build_graph(snapshot.definition)
        self.outputs: dict[str, ItemsByOutput] = {}
        self.moment = snapshot.started_at
        self.suspended_seconds = 0.0
        self.groups = 0
        self.iterations = 0
        self.journal = Journal(written_at=snapshot.started_at)
        self.response: dict[str, Any] | None = None

    @abstractmethod
    def walk(self, level: Level) -> Items:
        """Execute all nodes of a level and return the items that go back to its loop."""

    @cached_property
    def planned_operations(self) -> dict[str, int]:
        """The most operations that each node may take, by its ID."""
        return plan_operations(self.graph)

    def check_operations(self) -> None:
        """Raise OperationsExhausted when the execution has taken as many operations as it may."""
        limit = levels.MAX_OPERATIONS
        if self.steps.operations + 1 > limit:  # one more completes the execution
            message = (
                f"The execution took more than {limit} steps. Do less in one execution, or use subworkflows."
            )
            raise OperationsExhausted({"code": "too_many_operations", "message": message})

    def advance(self, result: NodeResult) -> None:
        """Continue from the end of a node, and begin a new batch of the journal when the node has written one."""
        self.moment = max(self.moment, result.ended_at)
        if result.wrote_journal:
            self.journal.mark_written(result.ended_at)

    def suspend(self, node_ids: list[str]) -> None:
        """Set the execution to waiting for these nodes, after its journal is written. Raises ExecutionEnded."""
        self.groups += 1
        entries, batch = self.journal.entries, self.journal.batch
        is_suspended = self.steps.step(f"hold-{self.groups}", lambda: self._suspend(entries, batch, node_ids))
        if not is_suspended:
            raise ExecutionEnded(ExecutionStatus.CANCELLED)
        if entries:
            self.journal.mark_written(self.moment)

    def _suspend(self, entries: list[JournalEntry], batch: int, node_ids: list[str]) -> bool:
        """Write the journal and set the execution to waiting; return False when it was cancelled. Idempotent."""
        journal.write(self.key.load(), entries, batch, node_ids)
        return lifecycle.suspend(self.key.load())

    def resume(self) -> None:
        """Set the execution to running again, after `suspend`. Raises ExecutionEnded."""
        if not self.steps.step(f"go-on-{self.groups}", lambda: lifecycle.resume(self.key.load())):
            raise ExecutionEnded(ExecutionStatus.CANCELLED)

    def create_executor(
        self, steps: Steps, node_run: NodeRun, path: str, *, in_branch: bool = False
    ) -> NodeExecutor:
        """Return the executor of a node, or of a slice of a loop; `in_branch` when others execute in parallel."""
        completed = len(self.outputs) * 100 // max(1, len(self.graph.nodes))
        unwritten = None if in_branch or self.snapshot.is_express else self.journal
        return NodeExecutor(
            steps,
            self.key,
            self.snapshot,
            node_run,
            path,
            self.suspended_seconds,
            unwritten,
            min(99, completed),
        )

    def build_reused_entry(self, node_run: NodeRun, path: str) -> JournalEntry:
        """Return the entry of a node whose outputs are reused from an earlier execution."""
        outputs = self.snapshot.reused_outputs[path]
        entry = build_entry(node_run, path, 1, {"outputs": outputs}, self.moment, 0)
        return {**entry, "retriedFrom": str(self.snapshot.reused_from)}

    def node_run(self, node: Node, inputs: dict[str, Items]) -> NodeRun:
        """Return what a node receives: its items by input, and what its expressions see."""
        return NodeRun(
            node=node,
            inputs=inputs,
            scope=self.build_expression_scope(),
            organization_id=self.key.organization_id,
            user_id=self.snapshot.user_id,
            execution_id=self.key.execution_id,
            execution_key=self.key.row_key,
            retention_days=self.snapshot.retention_days,
            timeout_seconds=node.timeout_seconds or 60,
        )

    def build_expression_scope(self) -> ExpressionScope:
        """Return what expressions see; in a slice of a loop, `$execution` is the execution that it is part of."""
        snapshot, loop_slice = self.snapshot, self.snapshot.loop_slice
        execution = {
            "id": str(loop_slice.execution_id if loop_slice else self.key.execution_id),
            "workflowId": str(snapshot.workflow_id),
            "workflowName": snapshot.workflow_name,
            "workflowVersion": snapshot.workflow_version,
            "mode": loop_slice.mode if loop_slice else snapshot.mode,
            "callbackToken": snapshot.callback_token,
        }
        moment = datetime.fromtimestamp(self.moment, UTC)
        variables = snapshot.variables
        return ExpressionScope(
            execution, snapshot.trigger, self.outputs, moment, variables.values, variables.sealed
        )

    def filter_items(self, index: int, items: Items) -> Items:
        """Return the items that a connection takes: all, or those for which its condition holds. Raises NodeFailed."""
        connection = self.graph.connections[index]
        if not connection.condition or not items:
            return items
        scope = self.build_expression_scope()
        contexts = [EvaluationContext(item, {"index": number}) for number, item in enumerate(items)]
        template = "{{" + connection.condition + "}}"
        try:
            variables = scope.bindings([connection.condition]) | {"input": items}
            results = rendering.render(template, contexts, variables, scope.moment)
        except (ExpressionError, NodeError) as error:
            failure = NodeError("expression_failed", f"A connection's condition: {error}")
            raise NodeFailed({**to_error(failure), "nodeId": connection.source_node_id}) from error
        return [item for item, holds in zip(items, results, strict=True) if holds is True]
