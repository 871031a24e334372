"""What a run of a workflow does: load, then one node after the other as the graph says, then the end.

Nodes that only compute are computed anew whenever the run is replayed; each attempt of an effect is one step. Effects
that are ready together run side by side. Those that wait come last, so that nothing waits for them that need not.
Nothing here reads a clock, the table or the network: what was seen in steps decides.
"""

import heapq
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from weconnect.durable import StepFailed, Steps
from weconnect.executions import completion, lifecycle
from weconnect.executions.completion import Outcome
from weconnect.executions.entities import ExecutionError, ExecutionStatus
from weconnect.executions.journal import Journal, Record
from weconnect.executions.lifecycle import Pinned, Place
from weconnect.expressions import rendering
from weconnect.expressions.rendering import Context, ExpressionError
from weconnect.log import logger
from weconnect.workflows.definition.graph import BODY, Graph, graph_of
from weconnect.workflows.engine import levels, loops, node_executor
from weconnect.workflows.engine.levels import Exhausted, Failed, Level, Stopped
from weconnect.workflows.engine.node_executor import Bearer, Ended, Ran
from weconnect.workflows.entities import Node
from weconnect.workflows.node_sdk.node_type import RESPONSE, STOP, Call, Items, NodeError, Outputs, Scope

MODES = {"webhook": "webhook", "schedule": "schedule", "event": "event", "error": "error"}


def run_workflow(steps: Steps, place: Place) -> dict[str, Any]:
    """Carry a durable run to its end; answers `{"status"}`."""
    try:
        begun = steps.step("load", lambda: lifecycle.begin(place))
    except StepFailed as failure:
        return _broken(steps, place, failure)
    if begun is None:
        return {"status": "closed"}
    engine = Engine(steps, place, Pinned.model_validate(begun))
    try:
        outcome = engine.run()
    except StepFailed as failure:
        return _broken(steps, place, failure)
    steps.step("finish", lambda: engine.finish(outcome))
    return {"status": str(outcome.status)}


def _broken(steps: Steps, place: Place, failure: StepFailed) -> dict[str, Any]:
    """End a run in which a step of ours, and not a node, has failed."""
    error = ExecutionError(code="internal_error", message=f"Internal error in step {failure}"[:2_000])
    outcome = Outcome(status=ExecutionStatus.FAILED, error=error)
    steps.step("broken", lambda: completion.finish(place.row(), outcome))
    return {"status": str(outcome.status)}


class Engine:
    """One run's walk through its graph."""

    def __init__(self, steps: Steps, place: Place, pinned: Pinned) -> None:
        self.steps = steps
        self.place = place
        self.pinned = pinned
        self.graph: Graph = graph_of(pinned.definition)
        self.place_of = {node_id: index for index, node_id in enumerate(self.graph.order)}
        self.outputs: dict[str, Outputs] = {}
        self.moment = pinned.started
        self.waited = 0.0
        self.operations = 2
        self.groups = 0
        self.iterations = 0
        self.journal = Journal(written_at=pinned.started)
        self.response: Any = None
        self.last: Items | None = None

    @cached_property
    def costs(self) -> dict[str, int]:
        """How many operations each node may take at most."""
        return loops.costs(self.graph)

    def run(self) -> Outcome:
        """Walk to the end; raises StepFailed when a step of ours broke."""
        try:
            output = self._output()
        except Failed as failed:
            return Outcome(status=ExecutionStatus.FAILED, error=failed.error)
        except Ended as ended:
            for record in ended.records:
                self.journal.add(record)
            return self._ended(ended.status)
        return Outcome(status=ExecutionStatus.COMPLETED, output=output)

    def _output(self) -> Any:
        """Do all that there is to do; answers what the run does."""
        if self.pinned.part:
            return loops.run_part(self, self.pinned.part)
        try:
            self.walk(Level(None, "", levels.ROOM))
        except Stopped as stopped:
            self.last = stopped.items
        return self.response["body"] if self.response else self.last

    def finish(self, outcome: Outcome) -> bool:
        """Write the end of the run; what a step does."""
        row = self.place.row()
        journal = self.journal
        ended = completion.finish(row, outcome, journal.records, journal.batch, dict(journal.counts))
        logger.info("run ended", execution_id=str(self.place.id), status=str(outcome.status), recorded=ended)
        return ended

    def _ended(self, status: ExecutionStatus) -> Outcome:
        if status == ExecutionStatus.TIMEOUT:
            bound = self.pinned.definition.settings.timeout_seconds
            text = f"The run took longer than {bound} s"
            if self.pinned.express:
                text = f"The run took longer than {min(bound, int(lifecycle.EXPRESS_SECONDS))} s, in its caller's time"
            return Outcome(status=status, error=ExecutionError(code="timeout", message=text, retryable=True))
        return Outcome(status=ExecutionStatus.CANCELLED, error=completion.cancelled())

    # The walk

    def walk(self, level: Level) -> Items:
        """Carry out all nodes of a level; answers what its last nodes send back to the loop."""
        graph = self.graph
        nodes = graph.levels[level.loop]
        level.open = {
            node_id: sum(index not in level.inputs for index in graph.followed(node_id)) for node_id in nodes
        }
        ready = [self.place_of[node_id] for node_id in nodes if level.open[node_id] == 0]
        heapq.heapify(ready)
        effects: list[tuple[Node, dict[str, Items]]] = []
        while ready or effects:
            if not ready:
                effects = self._carry(level, effects, ready)
                continue
            node = graph.nodes[graph.order[heapq.heappop(ready)]]
            inputs = self._arrived(level, node)
            if inputs is None:
                self._skip(level, node, ready)
            elif not node.is_enabled or node_executor.kind_of(node).kind in ("pure", "trigger"):
                call = self.call(node, inputs)
                path = node.id + level.suffix
                self._settle(level, node_executor.compute(call, path, self.moment), inputs, ready)
            elif graph.is_loop(node.id):
                self._settle(level, loops.run(self, level, node, inputs), inputs, ready)
            elif (path := node.id + level.suffix) in self.pinned.kept:
                self._settle(level, self.kept(self.call(node, inputs), path), inputs, ready)
            else:
                effects.append((node, inputs))
        return level.returned

    def _arrived(self, level: Level, node: Node) -> dict[str, Items] | None:
        """The items at each input of a node that has something to do; None when it is to be skipped."""
        if node_executor.kind_of(node).kind == "trigger":
            return {"main": self.pinned.items()} if node.id == self._trigger() else None
        inputs: dict[str, Items] = {}
        for index in self.graph.followed(node.id):
            name = self.graph.connections[index].target_input
            inputs.setdefault(name, []).extend(level.inputs[index])
        needs_all = node_executor.kind_of(node).waits_for(node.parameters) == "all"
        enough = all(inputs.values()) if needs_all else any(inputs.values())
        return inputs if inputs and enough else None

    def _trigger(self) -> str | None:
        """The trigger that this run begins with: the one asked for, else that of the run's mode, else the first."""
        if self.pinned.trigger_node_id:
            return self.pinned.trigger_node_id
        enabled = [node for node in self.pinned.definition.nodes if node.is_enabled]
        triggers = [node for node in enabled if node_executor.kind_of(node).kind == "trigger"]
        wanted = MODES.get(self.pinned.mode, "manual")
        fitting = [node for node in triggers if node.type == wanted] or triggers
        return fitting[0].id if fitting else None

    def _skip(self, level: Level, node: Node, ready: list[int]) -> None:
        record = node_executor.record_of(self.call(node, {}), node.id + level.suffix, 1, self._nothing())
        self.journal.add(record | {"status": "skipped"})
        self._pass_on(level, node, {}, ready)

    def _nothing(self) -> dict[str, Any]:
        return {"began": self.moment, "ms": 0, "outputs": {}}

    def _settle(self, level: Level, record: Record, inputs: dict[str, Items], ready: list[int]) -> None:
        """Take what a node answered: journal it, and pass its items on; raises Failed and Stopped."""
        node = self.graph.nodes[record["nodeId"]]
        outputs: Outputs = dict(record["output"])
        response, stop = outputs.pop(RESPONSE, None), outputs.pop(STOP, None)
        record = record | {"output": outputs, "itemsOut": sum(len(items) for items in outputs.values())}
        self.journal.add(record)
        if record["status"] == "failed" and node.on_error == "stop":
            raise Failed(record)
        if stop is not None:
            raise Stopped(stop)
        if response:
            self.response = response[0]
        self.outputs[node.name] = outputs
        passed_on = self._pass_on(level, node, outputs, ready)
        if not passed_on and level.loop is None:
            self.last = outputs.get("main") or next((items for items in outputs.values() if items), [])

    def _pass_on(self, level: Level, node: Node, outputs: Outputs, ready: list[int]) -> bool:
        """Settle the connections that leave a node; whether any took something."""
        took = False
        for index in self.graph.outgoing[node.id]:
            connection = self.graph.connections[index]
            if self.graph.is_loop(node.id) and connection.source_output == BODY:
                continue  # what an iteration begins with
            items = self.taken(index, outputs.get(connection.source_output, []))
            took = took or bool(items)
            if self.graph.is_return(index) and connection.target_node_id == level.loop:
                level.returned += items
                continue
            level.inputs[index] = items
            target = connection.target_node_id
            level.open[target] -= 1
            if level.open[target] == 0:
                heapq.heappush(ready, self.place_of[target])
        return took

    def taken(self, index: int, items: Items) -> Items:
        """The items that a connection takes: all of them, or those for which its condition holds."""
        connection = self.graph.connections[index]
        if not connection.condition or not items:
            return items
        node = self.graph.nodes[connection.source_node_id]
        scope = self._scope()
        contexts = [Context(item, {"index": number}) for number, item in enumerate(items)]
        template = "{{" + connection.condition + "}}"
        try:
            shared = scope.bindings([connection.condition]) | {"input": items}
            found = rendering.resolve(template, contexts, shared, scope.moment)
        except (ExpressionError, NodeError) as error:
            failed = NodeError("expression_failed", f"A connection's condition: {error}")
            told = {"error": node_executor.error_of(failed), "began": self.moment, "ms": 0}
            raise Failed(node_executor.record_of(self.call(node, {}), node.id, 1, told)) from error
        return [item for item, holds in zip(items, found, strict=True) if holds is True]

    # Effects

    def _carry(
        self, level: Level, effects: list[tuple[Node, dict[str, Items]]], ready: list[int]
    ) -> list[tuple[Node, dict[str, Items]]]:
        """Carry out the effects that wait for nobody, or all when there are only such; answers those that are left."""
        quick = [each for each in effects if not node_executor.kind_of(each[0]).may_suspend]
        group = quick or effects
        waiting = not quick
        if waiting:
            self.hold([node.id for node, _ in group])
        else:
            self.groups += 1
        failure: Failed | None = None
        for (_, inputs), ran in zip(group, self._side_by_side(level, group), strict=True):
            self.took(ran)
            for record in ran.records[:-1]:
                self.journal.add(record)
            self.waited += ran.waited if len(group) == 1 else 0
            try:
                self._settle(level, ran.last, inputs, ready)
            except Failed as failed:  # what ran beside it is journalled all the same
                failure = failure or failed
        if failure:
            raise failure
        if waiting:
            self.go_on()
        self.check_operations()
        return [] if waiting else [each for each in effects if each not in quick]

    def took(self, ran: Ran) -> None:
        """Count what was carried out, and go on from when that was."""
        self.moment = max(self.moment, ran.ended_at)
        self.operations += ran.operations
        if ran.written:
            self.journal.written(ran.ended_at)

    def check_operations(self) -> None:
        """End the run when it has taken as many operations as it may."""
        if self.operations > node_executor.OPERATIONS:
            most = node_executor.OPERATIONS
            text = f"The run took more than {most} steps; do less in one run, or use subworkflows"
            raise Exhausted({"error": {"code": "too_many_operations", "message": text}})

    def _side_by_side(self, level: Level, group: list[tuple[Node, dict[str, Items]]]) -> list[Ran]:
        if len(group) == 1:
            return [self._of(self.steps, level, *group[0], alone=True).carry(self.moment)]

        def branch(node: Node, inputs: dict[str, Items]) -> Any:
            def work(steps: Steps) -> Any:
                try:
                    return asdict(self._of(steps, level, node, inputs, alone=False).carry(self.moment))
                except Ended as ended:
                    return {"ended": ended.status.value, "records": ended.records}

            return work

        self.operations += 1 + len(group)
        told = self.steps.parallel(f"branches-{self.groups}", [branch(*each) for each in group])
        for each in told:
            if "ended" in each:
                raise Ended(
                    ExecutionStatus(each["ended"]), [record for one in told for record in one["records"]]
                )
        found = [Ran(**each) for each in told]
        self.waited += max(ran.waited for ran in found)
        return found

    def _of(self, steps: Steps, level: Level, node: Node, inputs: dict[str, Items], *, alone: bool) -> Bearer:
        return self.bearer(steps, self.call(node, inputs), node.id + level.suffix, alone=alone)

    def bearer(self, steps: Steps, call: Call, path: str, *, alone: bool) -> Bearer:
        """What carries out a node, or a slice of a loop."""
        done = len(self.outputs) * 100 // max(1, len(self.graph.nodes))
        before = self.journal if alone and not self.pinned.express else None
        return Bearer(steps, self.place, self.pinned, call, path, self.waited, before, min(99, done))

    def hold(self, node_ids: list[str]) -> None:
        """Let the run wait, what it has done so far written."""
        self.groups += 1
        journal = self.journal
        held = self.steps.step(
            f"hold-{self.groups}",
            lambda: lifecycle.hold(self.place, journal.records, journal.batch, node_ids),
        )
        self.operations += 1
        if not held:
            raise Ended(ExecutionStatus.CANCELLED)
        if journal.records:
            journal.written(self.moment)

    def go_on(self) -> None:
        """Let the run go on after `hold`."""
        self.operations += 1
        if not self.steps.step(f"go-on-{self.groups}", lambda: lifecycle.go_on(self.place)):
            raise Ended(ExecutionStatus.CANCELLED)

    def kept(self, call: Call, path: str) -> Record:
        """What an earlier try of the run has answered there."""
        told = self._nothing() | {"outputs": self.pinned.kept[path]}
        record = node_executor.record_of(call, path, 1, told)
        return record | {"retriedFrom": str(self.pinned.kept_from)}

    def call(self, node: Node, inputs: dict[str, Items]) -> Call:
        return Call(
            node=node,
            inputs=inputs,
            scope=self._scope(),
            organization_id=self.place.organization_id,
            user_id=self.pinned.user_id,
            run_id=self.place.id,
            run_key=self.place.key,
            retention_days=self.pinned.retention_days,
            depth=self.pinned.depth,
            timeout_seconds=node.timeout_seconds or 60,
        )

    def _scope(self) -> Scope:
        pinned, part = self.pinned, self.pinned.part
        execution = {
            "id": str(part.run_id if part else self.place.id),
            "workflowId": str(pinned.workflow_id),
            "workflowName": pinned.workflow_name,
            "workflowVersion": pinned.workflow_version,
            "mode": part.mode if part else pinned.mode,
            "callbackToken": pinned.callback_token,
        }
        moment = datetime.fromtimestamp(self.moment, UTC)
        known = pinned.variables
        return Scope(execution, pinned.trigger, self.outputs, moment, known.values, known.sealed)
