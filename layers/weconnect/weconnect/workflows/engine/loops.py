"""Loops: the body is walked once for each batch of items, within the execution or in slices.

A loop that could take more operations than the execution has left is processed in slices: executions of their own, one
after the other, each for some of the batches. The choice depends on the definition and the number of batches alone, so
that every replay, and every retry that reuses outputs, chooses alike. A slice plans with all operations of an
execution, and is sliced itself where it must be.
"""

from dataclasses import replace
from typing import Any

from weconnect import clock
from weconnect.executions.entities import OPEN_STATUSES, ExecutionStatus
from weconnect.executions.results import ErrorValues, ExecutionResult
from weconnect.node_sdk.entities import Node
from weconnect.node_sdk.node_expressions import find_used_names
from weconnect.node_sdk.node_type import RESPONSE, STOP, Items, ItemsByOutput, NodeError, NodeRun
from weconnect.node_sdk.output_budget import OutputBudget
from weconnect.workflows.definition.graph import BODY_OUTPUT, Graph
from weconnect.workflows.engine import child_executions, levels, operation_plan
from weconnect.workflows.engine.execution_snapshot import LoopSlice
from weconnect.workflows.engine.execution_state import ExecutionState
from weconnect.workflows.engine.fenced_steps import ExecutionEnded, NodeResult, StepResult
from weconnect.workflows.engine.journal_entries import NodeOutcome, build_entry, collect_outputs, to_error
from weconnect.workflows.engine.levels import Level, NodeFailed, OperationsExhausted, StoppedByNode
from weconnect.workflows.engine.node_executor import NodeExecutor
from weconnect.workflows.executions.journal import JournalEntry
from weconnect.workflows.nodes.loop import LoopParameters

SLICE_OUTPUT = "$slice"
"""An output of a slice that no connection takes: `[{"nodes": outputs of the body by node, "waited": seconds}]`."""

MAX_ITERATIONS_OF_EXECUTION = 20_000
"""Those of nested loops counted: nodes that only compute pass no fence, so their time needs another limit."""
SLICE_TIMEOUT_SECONDS = 365 * 86_400


def execute_loop(state: ExecutionState, level: Level, node: Node, inputs: dict[str, Items]) -> JournalEntry:
    """Execute the body for all batches and return the loop's entry, with the items that came back as output `done`.

    Raises NodeFailed when a node of the body has failed and neither it nor the loop handles errors.
    """
    node_run, began_at = state.node_run(node, inputs), state.moment
    execution_ids: list[str] = []
    outcome: NodeOutcome = {}
    try:
        done = _execute_batches(state, level, node_run, execution_ids)
        outcome = collect_outputs(node_run, {"done": done})
    except NodeError as error:
        outcome["error"] = to_error(error)
    except OperationsExhausted:
        raise
    except NodeFailed as failed:
        if node.on_error == "stop":
            raise
        outcome["error"] = _convert_error(failed)
    duration_ms = int((state.moment - began_at) * 1000)
    entry = build_entry(node_run, node.id + level.suffix, 1, outcome, began_at, duration_ms)
    if "main" in entry["output"]:  # an error as items: the nodes after a loop follow its output `done`
        entry["output"] = {"done": entry["output"]["main"]}
    if execution_ids:
        entry["executionIds"] = execution_ids
    return entry


def execute_slice(state: ExecutionState, loop_slice: LoopSlice) -> ItemsByOutput:
    """Execute the batches of a slice and return the output of its execution.

    It has the outputs `done` and `SLICE_OUTPUT`, and `RESPONSE` and `STOP` where a node has set them.
    """
    node = state.graph.nodes[loop_slice.node_id]
    state.outputs |= loop_slice.nodes
    node_run = state.node_run(node, {"main": loop_slice.items})
    batches = _split(loop_slice.items, loop_slice.size)
    outputs: ItemsByOutput = {}
    try:
        if len(batches) == 1 or _is_within(state, node, len(batches), levels.PLANNED_OPERATIONS):
            planned = levels.PLANNED_OPERATIONS
            done = _walk_batches(state, node, loop_slice.suffix, batches, loop_slice.first, planned)
        else:
            done = _execute_slices(state, node_run, loop_slice, batches, [])
        outputs = collect_outputs(node_run, {"done": done})["outputs"]
    except NodeError as error:
        raise NodeFailed({**to_error(error), "nodeId": node.id}) from error
    except StoppedByNode as stopped:
        outputs[STOP] = stopped.items
    if state.response:
        outputs[RESPONSE] = [state.response]
    body_names = [state.graph.nodes[node_id].name for node_id in state.graph.body_by_loop[node.id]]
    referenced_names = _find_referenced_nodes(state.graph, set(state.graph.nodes))
    nodes = {
        name: state.outputs[name]
        for name in sorted({*body_names, node.name})
        if name in state.outputs and (referenced_names is None or name in referenced_names)
    }
    return outputs | {SLICE_OUTPUT: [{"nodes": nodes, "waited": state.suspended_seconds}]}


def _execute_batches(
    state: ExecutionState, level: Level, node_run: NodeRun, execution_ids: list[str]
) -> Items:
    """Execute all batches of a loop, in slices where they must be, and return the items that came back.

    The IDs of the slices' executions are appended to `execution_ids`. Raises NodeError, NodeFailed.
    """
    node = node_run.node
    parameters = node_run.resolve_once(LoopParameters)
    batches = _split(node_run.items, parameters.batch_size)
    if len(batches) > parameters.max_iterations:
        message = f"The loop has {len(batches)} batches, but may have at most {parameters.max_iterations}"
        raise NodeError("too_many_iterations", message)
    beside = [each for each in state.graph.nodes_by_level[level.loop] if each != node.id]
    remaining = level.planned_operations - sum(state.planned_operations[each] for each in beside)
    if state.snapshot.is_express or _is_within(state, node, len(batches), remaining):
        return _walk_batches(state, node, level.suffix, batches, 1, remaining)
    whole = LoopSlice(node_id=node.id, suffix=level.suffix, first=1, size=parameters.batch_size)
    return _execute_slices(state, node_run, whole, batches, execution_ids)


def _split(items: Items, size: int) -> list[Items]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _is_within(state: ExecutionState, node: Node, batch_count: int, operations: int) -> bool:
    """Return whether so many iterations can take at most `operations`; iterations without operations always can."""
    each = _count_iteration_operations(state, node)
    return each == 0 or batch_count * each <= operations


def _count_iteration_operations(state: ExecutionState, node: Node) -> int:
    """Return how many durable operations one iteration of a loop node may take."""
    return operation_plan.count_iteration_operations(state.graph, state.planned_operations, node.id)


def _walk_batches(
    state: ExecutionState, node: Node, suffix: str, batches: list[Items], first: int, operations: int
) -> Items:
    """Walk the body once for each batch, within this execution; return the items that came back."""
    state.iterations += len(batches)
    if state.iterations > MAX_ITERATIONS_OF_EXECUTION:
        message = f"More than {MAX_ITERATIONS_OF_EXECUTION} iterations in one execution, in all of its loops"
        raise NodeError("too_many_iterations", message)
    graph, done = state.graph, list[dict[str, Any]]()
    budget = OutputBudget(node.name)
    entries = [
        index for index in graph.outgoing[node.id] if graph.connections[index].source_output == BODY_OUTPUT
    ]
    for number, batch in enumerate(batches, start=first):
        level = Level(node.id, f"{suffix}.{number}", operations // len(batches))
        for index in entries:
            level.inputs[index] = state.filter_items(index, batch)
        state.outputs[node.name] = {BODY_OUTPUT: batch}
        done += map(budget.take, state.walk(level))
    return done


# Slices


def _execute_slices(
    state: ExecutionState,
    node_run: NodeRun,
    whole: LoopSlice,
    batches: list[Items],
    execution_ids: list[str],
) -> Items:
    """Execute the batches in slices, one after the other, and return the items that came back.

    The IDs of the slices' executions are appended to `execution_ids`. Raises StoppedByNode, NodeFailed, NodeError.
    """
    most = max(
        levels.PLANNED_OPERATIONS // _count_iteration_operations(state, node_run.node),
        -(-len(batches) // operation_plan.MAX_SLICES),
        1,
    )
    done: Items = []
    budget = OutputBudget(node_run.node.name)
    for start in range(0, len(batches), most):
        count = len(batches[start : start + most])
        items = [item for batch in batches[start : start + most] for item in batch]
        loop_slice = whole.model_copy(update={"first": whole.first + start, "items": items})
        last = loop_slice.first + count - 1
        path = f"{loop_slice.node_id}{loop_slice.suffix}.{loop_slice.first}-{last}"
        slice_run = replace(node_run, inputs={"main": items})
        outputs = _load_slice_outputs(state, slice_run, path, loop_slice, execution_ids)
        for hidden in outputs.get(SLICE_OUTPUT, []):
            state.outputs |= hidden["nodes"]
        for response in outputs.get(RESPONSE, []):
            state.response = response
        if STOP in outputs:
            raise StoppedByNode(outputs[STOP])
        done += map(budget.take, outputs.get("done", []))
    return done


def _load_slice_outputs(
    state: ExecutionState, node_run: NodeRun, path: str, loop_slice: LoopSlice, execution_ids: list[str]
) -> ItemsByOutput:
    """Return the outputs of a slice: of an earlier execution that this one retries, or of a new one.

    Raises NodeFailed, ExecutionEnded and NodeError, as the body does.
    """
    if path in state.snapshot.reused_outputs:
        reused = state.build_reused_entry(node_run, path)
        state.journal.add({**reused, "itemsOut": len(reused["output"].get("done", []))})
        return reused["output"]
    began_at = state.moment
    child = _execute_child(state, node_run, path, loop_slice)
    execution_ids.append(child["executionId"])
    duration_ms = int((state.moment - began_at) * 1000)
    outcome: NodeOutcome
    if child["status"] == ExecutionStatus.COMPLETED:
        outputs: ItemsByOutput = child["output"]
        state.suspended_seconds += sum(hidden["waited"] for hidden in outputs[SLICE_OUTPUT])
        outcome = {"outputs": outputs}
        entry = build_entry(node_run, path, 1, outcome, began_at, duration_ms)
        items_out = len(outputs.get("done", []))
        state.journal.add({**entry, "itemsOut": items_out, "executionIds": [child["executionId"]]})
        return outputs
    error = _get_child_error(child)
    entry = build_entry(node_run, path, 1, {"error": error}, began_at, duration_ms)
    failed: JournalEntry = {
        **entry,
        "error": error,
        "output": {},
        "itemsOut": 0,
        "executionIds": [child["executionId"]],
    }
    if child["status"] == ExecutionStatus.TIMEOUT:
        raise ExecutionEnded(ExecutionStatus.TIMEOUT, [failed])
    state.journal.add(failed)
    raise NodeFailed(error)


def _get_child_error(child: ExecutionResult) -> ErrorValues:
    """Return the error of a slice's execution that did not complete; a cancelled one has the code `cancelled`."""
    if child["status"] == ExecutionStatus.CANCELLED:
        message = f"The execution {child['executionId']} of its batches was cancelled"
        return {"code": "cancelled", "message": message}
    assert child["error"], "an execution that has failed has an error"
    return child["error"]


def _execute_child(
    state: ExecutionState, node_run: NodeRun, path: str, loop_slice: LoopSlice
) -> ExecutionResult:
    """Execute a slice in an execution of its own, wait for it and return its result. Raises NodeError."""
    executor = state.create_executor(state.steps, node_run, path)
    fence_result = NodeResult([], state.moment)
    # Here the execution pauses, is cancelled, or times out.
    executor.create_fenced_steps(fence_result).step(f"{path}~fence", StepResult)
    state.advance(fence_result)
    state.suspend([node_run.node.id])
    result = NodeResult([], state.moment)
    failure, child = None, None
    try:
        child = _run_child(state, executor, result, loop_slice)
    except NodeError as error:
        failure = error
    state.advance(result)
    state.resume()
    state.check_operations()
    if child is None:
        raise failure or NodeError("subworkflow_gone", "The child execution has no result")
    return child


def _run_child(
    state: ExecutionState, executor: NodeExecutor, result: NodeResult, loop_slice: LoopSlice
) -> ExecutionResult:
    """Store a slice as an execution, start it, wait for it and return its result; the times go into `result`."""
    context = executor.create_step_context(result, 1, suspends=True)
    key = context.execution_key

    def store() -> str:
        """Store the slice's execution and return its ID."""
        with_outputs = _add_outputs(state, loop_slice)
        return str(child_executions.store_slice(key.load(), context.prefix, with_outputs, state.snapshot))

    def load_child() -> dict[str, Any]:
        """Return `{"child": ExecutionResult, "at": epoch seconds}`. Raises NodeError for one that is still open."""
        child = child_executions.load_result(key.load(), context.prefix)
        if child["status"] in OPEN_STATUSES:
            message = f"The execution of its batches took longer than {SLICE_TIMEOUT_SECONDS} s"
            raise NodeError("loop_timeout", message)
        return {"child": child, "at": clock.now().timestamp()}

    execution_id: str = context.step("start", store)
    context.steps.callback(
        "run", lambda callback_id: context.start_child(execution_id, callback_id), SLICE_TIMEOUT_SECONDS
    )
    taken = context.step("result", load_child)
    result.ended_at = taken["at"]
    child: ExecutionResult = taken["child"]
    return child


def _add_outputs(state: ExecutionState, loop_slice: LoopSlice) -> LoopSlice:
    """Return the slice with the outputs that its body may read; within a step only, because it reads the clock."""
    graph, snapshot = state.graph, state.snapshot
    parent_slice = snapshot.loop_slice
    names = _find_referenced_nodes(graph, {loop_slice.node_id, *graph.body_by_loop[loop_slice.node_id]})
    elapsed = clock.now().timestamp() - snapshot.started_at - state.suspended_seconds
    return loop_slice.model_copy(
        update={
            "nodes": {
                name: outputs for name, outputs in state.outputs.items() if names is None or name in names
            },
            "execution_id": parent_slice.execution_id if parent_slice else state.key.execution_id,
            "mode": parent_slice.mode if parent_slice else snapshot.mode,
            "seconds_used": snapshot.seconds_used_before() + elapsed,
        }
    )


def _find_referenced_nodes(graph: Graph, node_ids: set[str]) -> set[str] | None:
    """Return the names of the nodes that these nodes and the connections that leave them read in expressions.

    None when an expression may read any node.
    """
    nodes = [graph.nodes[node_id] for node_id in sorted(node_ids)]
    connections = [connection for connection in graph.connections if connection.source_node_id in node_ids]
    return find_used_names(nodes, connections, "nodes")


def _convert_error(failed: NodeFailed) -> ErrorValues:
    """Return the error of a failed node as JSON values."""
    values: Any = failed.error.to_json_dict()
    error: ErrorValues = values
    return error
