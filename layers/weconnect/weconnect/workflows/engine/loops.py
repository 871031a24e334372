"""Loops: the body is walked once for each batch, within the run; or, when that could take more operations than the run
has room for, in runs of their own, each for a slice of the batches, one after the other.

Which of both depends on the definition and on how many batches there are, so that every replay, and every retry that
keeps what was done, decides alike. A slice plans with a run's whole room, and is sliced itself where it must be.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from weconnect import clock
from weconnect.executions import completion
from weconnect.executions.entities import OPEN, ExecutionStatus
from weconnect.executions.journal import Record
from weconnect.executions.lifecycle import Part, Place
from weconnect.workflows.definition.graph import BODY, Graph
from weconnect.workflows.engine import child_executions, levels, node_executor
from weconnect.workflows.engine.levels import Exhausted, Failed, Level, Stopped
from weconnect.workflows.engine.node_executor import Ended, Ran, Through
from weconnect.workflows.entities import Node
from weconnect.workflows.node_sdk.catalogue import node_type
from weconnect.workflows.node_sdk.node_type import (
    RESPONSE,
    STOP,
    Call,
    Items,
    NodeError,
    Outputs,
    referenced,
    texts,
)
from weconnect.workflows.nodes.loop import MOST_ITERATIONS, LoopParameters

if TYPE_CHECKING:
    from weconnect.workflows.engine.execution_loop import Engine

SLICE = "$slice"
"""Output of a slice that no connection takes: `[{"nodes": what the body's nodes answered, "waited": seconds}]`."""

MOST_ITERATIONS_OF_A_RUN = 20_000
"""Those of loops in loops counted: what only computes passes no fence, so that its time must have another bound."""
MOST_SLICES = 100
OPERATIONS = 8
"""Of the run that waits for a slice."""
SLICE_SECONDS = 365 * 86_400


def run(engine: "Engine", level: Level, node: Node, inputs: dict[str, Items]) -> Record:
    """Do the body for all batches; the record has what came back as `done`, and the runs that did it."""
    call, began, run_ids = engine.call(node, inputs), engine.moment, list[str]()
    told: dict[str, Any] = {"began": began}
    try:
        parameters = call.once(LoopParameters)
        batches = _batches(call.items, parameters.batch_size)
        if len(batches) > parameters.max_iterations:
            text = f"{len(batches)} batches, and at most {parameters.max_iterations}"
            raise NodeError("too_many_iterations", text)
        others = sum(engine.costs[other] for other in engine.graph.levels[level.loop] if other != node.id)
        room = level.room - others
        if engine.pinned.express or _fits(engine, node, len(batches), room):
            done = _walk(engine, node, level.suffix, batches, 1, room)
        else:
            whole = Part(node_id=node.id, suffix=level.suffix, first=1, size=parameters.batch_size)
            done = _in_slices(engine, call, whole, batches, run_ids)
        told["outputs"] = node_executor.bounded({"done": done})
    except NodeError as error:
        told["error"] = node_executor.error_of(error)
    except Exhausted:
        raise
    except Failed as failed:
        if node.on_error == "stop":
            raise
        told["error"] = failed.error.wire()
    told["ms"] = int((engine.moment - began) * 1000)
    record = node_executor.record_of(call, node.id + level.suffix, 1, told)
    if "main" in record["output"]:  # an error as items: what goes on after a loop hangs on `done`
        record["output"] = {"done": record["output"]["main"]}
    return record | ({"executionIds": run_ids} if run_ids else {})


def run_part(engine: "Engine", part: Part) -> Outputs:
    """What a run answers that is for a slice: `done`, `RESPONSE` and `STOP` where there are some, and `SLICE`."""
    node = engine.graph.nodes[part.node_id]
    engine.outputs |= part.nodes
    call = engine.call(node, {"main": part.items})
    batches, run_ids = _batches(part.items, part.size), list[str]()
    outputs: Outputs = {}
    try:
        if len(batches) == 1 or _fits(engine, node, len(batches), levels.ROOM):
            done = _walk(engine, node, part.suffix, batches, part.first, levels.ROOM)
        else:
            done = _in_slices(engine, call, part, batches, run_ids)
        outputs = node_executor.bounded({"done": done})
    except NodeError as error:
        raise Failed({"error": node_executor.error_of(error) | {"nodeId": node.id}}) from error
    except Stopped as stopped:
        outputs[STOP] = stopped.items
    if engine.response:
        outputs[RESPONSE] = [engine.response]
    body = [engine.graph.nodes[node_id].name for node_id in engine.graph.bodies[node.id]]
    wanted = _named(engine.graph, set(engine.graph.nodes))
    answered = {
        name: engine.outputs[name]
        for name in sorted({*body, node.name})
        if name in engine.outputs and (wanted is None or name in wanted)
    }
    return outputs | {SLICE: [{"nodes": answered, "waited": engine.waited}]}


def costs(graph: Graph) -> dict[str, int]:
    """How many operations each node may take at most, by its id; of a loop, when it runs in slices if it must."""
    found: dict[str, int] = {}

    def cost(node: Node) -> int:
        kind = node_type(node.type)
        if kind is None or not node.is_enabled or kind.kind in ("pure", "trigger"):
            return 0
        if not graph.is_loop(node.id):
            return node.retry.max_attempts * (kind.operations + 1) + 1
        each = sum(found[node_id] for node_id in graph.levels[node.id])
        given = node.parameters.get("maxIterations", LoopParameters.model_fields["max_iterations"].default)
        whole = each * (given if isinstance(given, int) else MOST_ITERATIONS)
        return min(whole, OPERATIONS * min(MOST_SLICES, -(-whole // levels.ROOM)))

    inner_first = sorted(graph.order, key=lambda node_id: len(graph.bodies.get(node_id, ())))
    for node_id in inner_first:
        found[node_id] = cost(graph.nodes[node_id])
    return found


def _batches(items: Items, size: int) -> list[Items]:
    return [items[at : at + size] for at in range(0, len(items), size)]


def _fits(engine: "Engine", node: Node, batches: int, room: int) -> bool:
    """Whether so many iterations take no more operations than that, whatever comes; nothing always fits."""
    each = _each(engine, node)
    return each == 0 or batches * each <= room


def _each(engine: "Engine", node: Node) -> int:
    """Operations that an iteration may take."""
    return sum(engine.costs[node_id] for node_id in engine.graph.levels[node.id])


def _walk(engine: "Engine", node: Node, suffix: str, batches: list[Items], first: int, room: int) -> Items:
    """Walk the body once for each batch, within this run; answers what came back."""
    engine.iterations += len(batches)
    if engine.iterations > MOST_ITERATIONS_OF_A_RUN:
        text = f"More than {MOST_ITERATIONS_OF_A_RUN} iterations in one run, those of all loops counted"
        raise NodeError("too_many_iterations", text)
    graph, done = engine.graph, list[dict[str, Any]]()
    entries = [index for index in graph.outgoing[node.id] if graph.connections[index].source_output == BODY]
    for number, batch in enumerate(batches, start=first):
        level = Level(node.id, f"{suffix}.{number}", room // len(batches))
        for index in entries:
            level.inputs[index] = engine.taken(index, batch)
        engine.outputs[node.name] = {BODY: batch}
        done += engine.walk(level)
    return done


# Slices


def _in_slices(engine: "Engine", call: Call, whole: Part, batches: list[Items], run_ids: list[str]) -> Items:
    """Do the batches in runs of their own, whose ids go into `run_ids`; answers what came back."""
    each = max(levels.ROOM // _each(engine, call.node), -(-len(batches) // MOST_SLICES), 1)
    done: Items = []
    for at in range(0, len(batches), each):
        items = [item for batch in batches[at : at + each] for item in batch]
        part = whole.model_copy(update={"first": whole.first + at, "items": items})
        last = part.first + len(batches[at : at + each]) - 1
        path = f"{part.node_id}{part.suffix}.{part.first}-{last}"
        outputs = _slice(engine, replace(call, inputs={"main": items}), path, part, run_ids)
        for hidden in outputs.get(SLICE, []):
            engine.outputs |= hidden["nodes"]
        for response in outputs.get(RESPONSE, []):
            engine.response = response
        if STOP in outputs:
            raise Stopped(outputs[STOP])
        done += outputs.get("done", [])
    return done


def _slice(engine: "Engine", call: Call, path: str, part: Part, run_ids: list[str]) -> Outputs:
    """What one slice answered, in this run or in the one that it tries again; raises Failed and Ended as the body."""
    if path in engine.pinned.kept:
        record = engine.kept(call, path)
        engine.journal.add(record | {"itemsOut": len(record["output"].get("done", []))})
        outputs: Outputs = record["output"]
        return outputs
    began = engine.moment
    told = _carried(engine, call, path, part)
    run_ids.append(told["executionId"])
    known = {"began": began, "ms": int((engine.moment - began) * 1000)}
    if told["status"] == ExecutionStatus.COMPLETED:
        outputs = told["output"]
        engine.waited += sum(hidden["waited"] for hidden in outputs[SLICE])
        record = node_executor.record_of(call, path, 1, known | {"outputs": outputs})
        record |= {"itemsOut": len(outputs.get("done", [])), "executionIds": [told["executionId"]]}
        engine.journal.add(record)
        return outputs
    error = told["error"]
    if told["status"] == ExecutionStatus.CANCELLED:
        error = {"code": "cancelled", "message": f"Its run {told['executionId']} was cancelled"}
    record = node_executor.record_of(call, path, 1, known | {"error": error})
    record |= {"error": error, "output": {}, "itemsOut": 0, "executionIds": [told["executionId"]]}
    if told["status"] == ExecutionStatus.TIMEOUT:
        raise Ended(ExecutionStatus.TIMEOUT, [record])
    engine.journal.add(record)
    raise Failed(record)


def _carried(engine: "Engine", call: Call, path: str, part: Part) -> dict[str, Any]:
    """Let a slice run, and wait for it: `{"executionId", "status", "output", "error"}`."""
    ran = Ran([], engine.moment)
    bearer = engine.bearer(engine.steps, call, path, alone=True)
    bearer.fenced(f"{path}~fence", dict, ran)  # where a run is paused, cancelled, or out of time
    engine.took(ran)
    engine.hold([call.node.id])
    ran = Ran([], engine.moment)
    through = Through(bearer, f"{path}~1/", ran, suspends=True)

    def store() -> str:
        row = bearer.place.row()
        return str(child_executions.store_part(row, through.prefix, _given(engine, part), engine.pinned))

    def look() -> dict[str, Any]:
        told = child_executions.result(bearer.place.row(), through.prefix)
        if told["status"] in OPEN:
            completion.stop(Place(bearer.place.organization_id, UUID(told["executionId"])).row())
            raise NodeError("loop_timeout", f"Its run took longer than {SLICE_SECONDS} s")
        return told | {"at": clock.now().timestamp()}

    def announce(callback_id: str) -> None:
        through.announce_child(run_id, callback_id)

    failure = None
    try:
        run_id = through.step("start", store)
        through.steps.callback("run", announce, SLICE_SECONDS)
        told: dict[str, Any] = through.step("result", look)
        ran.ended_at = told["at"]
    except NodeError as error:
        failure = error
    engine.took(ran)
    engine.go_on()
    engine.check_operations()
    if failure:
        raise failure
    return told


def _given(engine: "Engine", part: Part) -> Part:
    """The part with what its body sees of the run, for use within a step."""
    graph, pinned, place = engine.graph, engine.pinned, engine.place
    wanted = _named(graph, {part.node_id, *graph.bodies[part.node_id]})
    return part.model_copy(
        update={
            "nodes": {
                name: outputs for name, outputs in engine.outputs.items() if wanted is None or name in wanted
            },
            "run_id": pinned.part.run_id if pinned.part else place.id,
            "mode": pinned.part.mode if pinned.part else pinned.mode,
            "spent": pinned.spent() + clock.now().timestamp() - pinned.started - engine.waited,
        }
    )


def _named(graph: Graph, node_ids: set[str]) -> set[str] | None:
    """The names of nodes that expressions of these nodes, and of what leaves them, name; None when they may be any."""
    conditions = [
        each.condition for each in graph.connections if each.condition and each.source_node_id in node_ids
    ]
    values = [[graph.nodes[node_id].parameters for node_id in sorted(node_ids)], conditions]
    return referenced([text for text in texts(values) if "$nodes" in text])
