"""The loop of an execution: load it, execute one node after the other as the graph says, complete it.

Nodes that only compute are computed again on every replay; each attempt of an effect is one step. Effects that become
ready together are executed in parallel. Nodes that wait come last, so that no other node waits for them in vain.
Nothing here reads a clock, the table or the network outside of steps: only what steps have returned decides.
"""

import functools
import heapq
from collections.abc import Callable
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from weconnect.durable.steps import StepFailed, Steps
from weconnect.errors import NotFound
from weconnect.executions import beginning
from weconnect.executions.entities import ExecutionError, ExecutionStatus
from weconnect.executions.followups import complete_execution
from weconnect.executions.results import Completion
from weconnect.log import logger
from weconnect.node_sdk.entities import Node
from weconnect.node_sdk.node_type import RESPONSE, STOP, Items, ItemsByOutput
from weconnect.workflows.definition import stored_versions
from weconnect.workflows.definition.graph import BODY_OUTPUT
from weconnect.workflows.engine import levels, loops
from weconnect.workflows.engine.execution_snapshot import ExecutionSnapshot, take_snapshot
from weconnect.workflows.engine.execution_state import ExecutionState
from weconnect.workflows.engine.fence import EXPRESS_SECONDS
from weconnect.workflows.engine.fenced_steps import ExecutionEnded, NodeResult
from weconnect.workflows.engine.journal_entries import (
    build_entry,
    compute_node,
    count_items,
    require_node_type,
)
from weconnect.workflows.engine.levels import Level, NodeFailed, StoppedByNode
from weconnect.workflows.executions.journal import JournalEntry, UnwrittenJournal
from weconnect.workflows.executions.rows import ExecutionKey

TRIGGER_BY_MODE = {"webhook": "webhook", "schedule": "schedule", "event": "event"}
"""The type of the trigger node that an execution begins with, by its mode; `manual` for all others."""

ReadyEffect = tuple[Node, dict[str, Items]]
"""A node that is not computed but executed in steps, with the items of its inputs."""


def run_workflow(steps: Steps, key: ExecutionKey) -> dict[str, Any]:
    """Execute a durable execution to its end and return `{"status": …}`: the final one, or `closed` without any.

    On a replay, the steps that were taken before return what they returned then.
    """
    try:
        snapshot = steps.step("load", lambda: load_execution(key), _get_snapshot_adapter())
    except StepFailed as failure:
        return _complete_broken(steps, key, failure)
    if snapshot is None:
        return {"status": "closed"}
    loop = ExecutionLoop(steps, key, snapshot)
    try:
        completion = loop.execute()
    except StepFailed as failure:
        return _complete_broken(steps, key, failure)
    steps.step("finish", lambda: loop.complete(completion))
    return {"status": str(completion.status)}


def load_execution(key: ExecutionKey) -> ExecutionSnapshot | None:
    """Set an execution to running and return its snapshot; None when it does not run. Idempotent."""
    row = beginning.begin(key.load())
    if row is None:
        return None
    try:
        version = stored_versions.load_version(
            key.organization_id, UUID(row.workflow_id), row.workflow_version
        )
    except NotFound:
        complete_execution(
            row, Completion.failed("workflow_gone", "The workflow was deleted before the execution began")
        )
        return None
    return take_snapshot(row, version.definition)


@functools.cache
def _get_snapshot_adapter() -> TypeAdapter[ExecutionSnapshot | None]:
    """Return the type of the stored snapshot, which is None for an execution that had ended."""
    return TypeAdapter(ExecutionSnapshot | None)


def build_broken_completion(failure: StepFailed) -> Completion:
    """Return the completion of an execution that failed in a step of the engine, not in a node."""
    return Completion.failed("internal_error", f"Internal error in step {failure}")


def _complete_broken(steps: Steps, key: ExecutionKey, failure: StepFailed) -> dict[str, Any]:
    """Complete an execution that failed in a step of the engine, and return `{"status": …}`."""
    completion = build_broken_completion(failure)
    steps.step("broken", lambda: complete_execution(key.load(), completion))
    return {"status": str(completion.status)}


class ExecutionLoop(ExecutionState):
    """The walk of one execution through its graph."""

    last: Items | None = None
    """The items of the last node that nothing follows: the execution's output, unless a `respond` node sets it."""

    @functools.cached_property
    def position(self) -> dict[str, int]:
        """The position of each node in the order in which ready nodes are executed."""
        return {node_id: index for index, node_id in enumerate(self.graph.topological_order)}

    def execute(self) -> Completion:
        """Execute all nodes and return how the execution ends. Raises StepFailed when a step of ours failed."""
        try:
            output = self._execute_graph()
        except NodeFailed as failure:
            return Completion(status=ExecutionStatus.FAILED, error=failure.error)
        except ExecutionEnded as ended:
            for entry in ended.entries:
                self.journal.add(entry)
            return self._build_completion(ended.status)
        return Completion(status=ExecutionStatus.COMPLETED, output=output)

    def complete(self, completion: Completion) -> bool:
        """Complete the execution with the rest of its journal; return False when it had ended before."""
        row = self.key.load()
        is_first = complete_execution(row, completion, self.unwritten_journal())
        logger.info(
            "execution ended",
            execution_id=str(self.key.execution_id),
            status=str(completion.status),
            recorded=is_first,
        )
        return is_first

    def unwritten_journal(self) -> UnwrittenJournal:
        """Return the entries of the journal that are not stored yet."""
        journal = self.journal
        return UnwrittenJournal(journal.entries, journal.batch, dict(journal.counts))

    def _execute_graph(self) -> Any:
        """Execute everything and return the execution's output."""
        if self.snapshot.loop_slice:
            return loops.execute_slice(self, self.snapshot.loop_slice)
        try:
            self.walk(Level(None, "", levels.PLANNED_OPERATIONS))
        except StoppedByNode as stopped:
            self.last = stopped.items
        return self.response["body"] if self.response else self.last

    def _build_completion(self, status: ExecutionStatus) -> Completion:
        """Return the completion of an execution that was cancelled, or that timed out: its error names the limit."""
        if status != ExecutionStatus.TIMEOUT:
            return Completion.cancelled()
        limit = self.snapshot.definition.settings.timeout_seconds
        message = f"The execution took longer than {limit} s"
        if self.snapshot.is_express:
            limit = min(limit, int(EXPRESS_SECONDS))
            message = f"The execution took longer than {limit} s within its caller's request"
        return Completion(
            status=status, error=ExecutionError(code="timeout", message=message, retryable=True)
        )

    # The walk

    def walk(self, level: Level) -> Items:
        """Execute a level's nodes in topological order; return the items that came back to its loop, if any."""
        graph = self.graph
        node_ids = graph.nodes_by_level[level.loop]
        level.open = {
            node_id: sum(index not in level.inputs for index in graph.forward_incoming(node_id))
            for node_id in node_ids
        }
        ready = [self.position[node_id] for node_id in node_ids if level.open[node_id] == 0]
        heapq.heapify(ready)
        effects: list[ReadyEffect] = []
        while ready or effects:
            if not ready:
                effects = self._execute_effects(level, effects, ready)
                continue
            node = graph.nodes[graph.topological_order[heapq.heappop(ready)]]
            inputs = self._collect_inputs(level, node)
            path = node.id + level.suffix
            if inputs is None:
                self._skip(level, node, ready)
            elif not node.is_enabled or require_node_type(node).kind in ("pure", "trigger"):
                node_run = self.node_run(node, inputs)
                self._settle(level, compute_node(node_run, path, self.moment), ready)
            elif graph.is_loop(node.id):
                self._settle(level, loops.execute_loop(self, level, node, inputs), ready)
            elif path in self.snapshot.reused_outputs:
                self._settle(level, self.build_reused_entry(self.node_run(node, inputs), path), ready)
            else:
                effects.append((node, inputs))
        return level.returned

    def _collect_inputs(self, level: Level, node: Node) -> dict[str, Items] | None:
        """Return the items at each input of a node; None when the node is to be skipped."""
        kind = require_node_type(node)
        if kind.kind == "trigger":
            return {"main": self.snapshot.trigger_items()} if node.id == self._trigger_id else None
        inputs: dict[str, Items] = {}
        for index in self.graph.forward_incoming(node.id):
            name = self.graph.connections[index].target_input
            inputs.setdefault(name, []).extend(level.inputs[index])
        needs_all = kind.waits_for(node.parameters) == "all"
        has_enough = all(inputs.values()) if needs_all else any(inputs.values())
        return inputs if inputs and has_enough else None

    @functools.cached_property
    def _trigger_id(self) -> str | None:
        """The trigger node to begin with: the requested one, else one of the right type, else the first."""
        if self.snapshot.trigger_node_id:
            return self.snapshot.trigger_node_id
        enabled = [node for node in self.snapshot.definition.nodes if node.is_enabled]
        triggers = [node for node in enabled if require_node_type(node).kind == "trigger"]
        matches = [
            node for kind in self._list_trigger_types() for node in triggers if node.type == kind
        ] or triggers
        return matches[0].id if matches else None

    def _list_trigger_types(self) -> list[str]:
        """Return the types of trigger nodes to begin with, the preferred one first."""
        kind = TRIGGER_BY_MODE.get(self.snapshot.mode, "manual")
        # A subworkflow of an error workflow has `handles_error` as well, but not the mode.
        return ["error", kind] if self.snapshot.handles_error and self.snapshot.mode == "event" else [kind]

    def _skip(self, level: Level, node: Node, ready: list[int]) -> None:
        """Add a node to the journal as skipped, and no items to its connections."""
        entry = build_entry(self.node_run(node, {}), node.id + level.suffix, 1, {}, self.moment, 0)
        self.journal.add({**entry, "status": "skipped"})
        self._pass_on(level, node, {}, ready)

    def _settle(self, level: Level, entry: JournalEntry, ready: list[int]) -> None:
        """Add a node's entry to the journal, and its items to its connections. Raises NodeFailed and StoppedByNode."""
        node = self.graph.nodes[entry["nodeId"]]
        outputs: ItemsByOutput = dict(entry["output"])
        response, stop = outputs.pop(RESPONSE, None), outputs.pop(STOP, None)
        self.journal.add({**entry, "output": outputs, "itemsOut": count_items(outputs)})
        if entry["status"] == "failed" and node.on_error == "stop":
            raise NodeFailed(entry["error"])
        if stop is not None:
            raise StoppedByNode(stop)
        if response:
            self.response = response[0]
        self.outputs[node.name] = outputs
        was_taken = self._pass_on(level, node, outputs, ready)
        if not was_taken and level.loop is None:
            self.last = outputs.get("main") or next((items for items in outputs.values() if items), [])

    def _pass_on(self, level: Level, node: Node, outputs: ItemsByOutput, ready: list[int]) -> bool:
        """Pass a node's items on; add the nodes that now have all inputs to `ready`. Return whether any took items."""
        was_taken = False
        for index in self.graph.outgoing[node.id]:
            connection = self.graph.connections[index]
            if self.graph.is_loop(node.id) and connection.source_output == BODY_OUTPUT:
                continue  # an iteration begins with it
            items = self.filter_items(index, outputs.get(connection.source_output, []))
            was_taken = was_taken or bool(items)
            if self.graph.is_return(index) and connection.target_node_id == level.loop:
                level.returned += items
                continue
            level.inputs[index] = items
            target = connection.target_node_id
            level.open[target] -= 1
            if level.open[target] == 0:
                heapq.heappush(ready, self.position[target])
        return was_taken

    # Effects

    def _execute_effects(
        self, level: Level, effects: list[ReadyEffect], ready: list[int]
    ) -> list[ReadyEffect]:
        """Execute the effects that do not wait, or else all that may be executed together; return the others."""
        quick = [effect for effect in effects if not require_node_type(effect[0]).may_suspend]
        group = self._select_group(quick or effects)
        suspends = not quick
        if suspends:
            self.suspend([node.id for node, _ in group])
        else:
            self.groups += 1
        failure: NodeFailed | None = None
        for result in self._execute_group(level, group):
            self.advance(result)
            for entry in result.entries[:-1]:
                self.journal.add(entry)
            try:
                self._settle(level, result.last, ready)
            except NodeFailed as failed:  # the nodes beside it are added to the journal all the same
                failure = failure or failed
        if failure:
            raise failure
        if suspends:
            self.resume()
        self.check_operations()
        return [effect for effect in effects if effect not in group]

    def _select_group(self, effects: list[ReadyEffect]) -> list[ReadyEffect]:
        """Return those that may be executed together: below the requested execution one that starts executions."""
        if self.snapshot.starts_in_parallel:
            return effects
        starting = [effect for effect in effects if require_node_type(effect[0]).starts_executions]
        return [effect for effect in effects if effect not in starting[1:]]

    def _execute_group(self, level: Level, group: list[ReadyEffect]) -> list[NodeResult]:
        """Execute the effects in parallel branches, a single one without a branch. Raises ExecutionEnded."""
        if len(group) == 1:
            ((node, inputs),) = group
            executor = self.create_executor(self.steps, self.node_run(node, inputs), node.id + level.suffix)
            results = [executor.execute(self.moment)]
        else:
            branches = [self._create_branch(level, node, inputs) for node, inputs in group]
            results = self.steps.parallel(f"branches-{self.groups}", branches, NodeResult)
        if ended := [result.end_status for result in results if result.end_status]:
            raise ExecutionEnded(ended[0], [entry for result in results for entry in result.entries])
        self.suspended_seconds += max(result.suspended_seconds for result in results)
        return results

    def _create_branch(
        self, level: Level, node: Node, inputs: dict[str, Items]
    ) -> Callable[[Steps], NodeResult]:
        """Return the parallel branch that executes a node; it returns, and does not raise, that the execution ends."""

        def execute_node(steps: Steps) -> NodeResult:
            """Execute the node; return ExecutionEnded as a result, because a branch may not raise it."""
            path = node.id + level.suffix
            executor = self.create_executor(steps, self.node_run(node, inputs), path, in_branch=True)
            try:
                return executor.execute(self.moment)
            except ExecutionEnded as ended:
                return NodeResult(ended.entries, self.moment, end_status=ended.status)

        return execute_node
