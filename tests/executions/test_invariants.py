"""Random workflows under random failures, crashes and cancellations; the result of each is checked.

Invariants: every execution ends and its end never changes; an effect with a checkpoint is not repeated, and one without
is repeated under the same key; nothing has an effect after a cancellation; each node is in the journal once; with
crashes alone, an execution ends as without them; a replay has no effect and starts nothing new; and a loop ends the
same whether it is processed within its execution or in slices.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.agents.execution_helpers import Starter
from tests.durable_runner import ProcessKilled
from tests.executions.execution_helpers import create_workflow, start_execution
from tests.factories import RegisteredUser, register
from tests.in_memory_steps import InMemorySteps, Suspended
from tests.soak import example_count
from tests.workflows.definitions import definition, node
from weconnect.durable import client as durable_client
from weconnect.outbound import client as outbound
from weconnect.outbound.client import OutboundResponse
from weconnect.workflows.engine import levels
from weconnect.workflows.engine.execution_loop import run_workflow
from weconnect.workflows.executions.rows import ExecutionKey

ENDED = {"completed", "failed", "cancelled", "timeout"}


@dataclass
class World:
    """The keys of the effects that happened, in order, and the calls of Lambda: executions, and values of callbacks."""

    keys: list[str] = field(default_factory=list)
    cancelled_at: int | None = None
    executions_by_name: dict[str, ExecutionKey] = field(default_factory=dict)
    sent: dict[str, Any] = field(default_factory=dict)

    def invoke(self, **request: Any) -> None:
        payload = json.loads(request["Payload"])
        key = ExecutionKey(UUID(payload["organizationId"]), UUID(payload["executionId"]))
        self.executions_by_name.setdefault(request["DurableExecutionName"], key)

    def send_durable_execution_callback_success(self, **sent: Any) -> None:
        self.sent[sent["CallbackId"]] = json.loads(sent["Result"])


class Disturbed(InMemorySteps):
    """Steps in which the process crashes, or the execution is cancelled, after a number of steps."""

    def __init__(self, deaths: set[tuple[int, str]], cancel: tuple[int, Callable[[], None]] | None) -> None:
        super().__init__()
        self.state = {"taken": 0}
        self.deaths, self.cancel = deaths, cancel

    def step(self, name: str, work: Callable[[], Any], result: Any = None) -> Any:
        if self.prefix + name in self.checkpoints:
            return super().step(name, work, result)
        taken = self.state["taken"] = self.state["taken"] + 1
        if self.cancel and taken == self.cancel[0]:
            self.cancel[1]()
        if (taken, "before") in self.deaths:
            raise ProcessKilled
        if (taken, "after") in self.deaths:
            work()
            raise ProcessKilled
        answer = super().step(name, work, result)
        if (taken, "checkpointed") in self.deaths:
            raise ProcessKilled
        return answer

    def other(self) -> "Disturbed":
        """Return the steps of another execution under the same disturbances."""
        steps = Disturbed(self.deaths, self.cancel)
        steps.state, steps.callback_values = self.state, self.callback_values
        return steps

    def branch(self, prefix: str) -> "Disturbed":
        steps = self.other()
        steps.prefix, steps.checkpoints, steps.names = prefix, self.checkpoints, self.names
        steps.waits = self.waits
        return steps


@st.composite
def workflows(draw: st.DrawFn) -> dict[str, Any]:
    """Generate definitions whose connections go from earlier nodes to later ones, sometimes with a loop."""
    nodes, connections = [], []
    for number in range(draw(st.integers(1, 7))):
        type = draw(st.sampled_from(["set", "http", "http", "if", "merge", "wait", "split"]))
        nodes.append(_node(draw, f"n{number}", type))
        before = ["start", *(f"n{each}" for each in range(number))]
        for source in sorted(draw(st.sets(st.sampled_from(before), min_size=1, max_size=3))):
            outputs = {"if": ["true", "false"], "http": ["main", "error"]}
            kind = next((each["type"] for each in nodes if each["id"] == source), "manual").replace(
                "_request", ""
            )
            handled = any(
                each["id"] == source and each["onError"] == "error_output"
                for each in nodes
                if "onError" in each
            )
            output = draw(st.sampled_from(outputs[kind])) if kind == "if" or handled else "main"
            end = f"n{number}.{source}" if type == "merge" else f"n{number}"
            connections.append(f"{source}.{output} > {end}")
    if draw(st.booleans()):
        nodes += [node("loop", "loop", batchSize=draw(st.integers(1, 2))), _node(draw, "body", "http")]
        nodes[-2]["onError"] = draw(st.sampled_from(["stop", "continue"]))
        connections += ["start > loop"]
        if draw(st.booleans()):
            nodes += [node("parts", "split", field="list"), node("inner", "loop")]
            connections += ["loop.loop > parts", "parts > inner", "inner.loop > body", "body > inner"]
            connections += ["inner.done > loop"]
        else:
            connections += ["loop.loop > body", "body > loop"]
    return definition(nodes, *connections)


def _node(draw: st.DrawFn, id: str, type: str) -> dict[str, Any]:
    if type == "http":
        statuses = draw(st.lists(st.sampled_from([200, 200, 503, 404]), min_size=3, max_size=3))
        url = f"https://example.com/{id}/{'-'.join(map(str, statuses))}"
        on_error = draw(st.sampled_from(["stop", "continue", "error_output"]))
        retry = {"maxAttempts": draw(st.integers(1, 3))}
        return node(id, "http_request", method="POST", url=url, onError=on_error, retry=retry)
    parameters_by_type: dict[str, dict[str, Any]] = {
        "set": {"values": {id: "{{ $count($input) }}"}},
        "if": {"condition": draw(st.booleans())},
        "merge": {"mode": draw(st.sampled_from(["all", "any", "append"]))},
        "wait": {"seconds": 1},
        "split": {"field": "list", "keepOthers": True},
    }
    return node(id, type, **parameters_by_type[type])


@pytest.fixture(scope="module")
def me() -> Iterator[RegisteredUser]:
    from tests.api.matrix_world import mocked_services

    with mocked_services(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable_client, "lambda_client", lambda: Starter())
        yield register()


@contextmanager
def effects(world: World, room: int) -> Iterator[None]:
    def send(method: str, url: str, **options: Any) -> OutboundResponse:
        key = options["headers"]["idempotency-key"].partition(":")[2]
        world.keys.append(key)
        attempt = int(key.split(":")[1])
        return OutboundResponse(int(url.rpartition("/")[2].split("-")[attempt - 1]), {}, b"x", url)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbound, "send", send)
        patch.setattr(durable_client, "lambda_client", lambda: world)
        patch.setattr(levels, "PLANNED_OPERATIONS", room)
        yield


def key_of(me: RegisteredUser, execution: str) -> ExecutionKey:
    return ExecutionKey(UUID(me.organization["id"]), UUID(execution.rpartition("/")[2]))


def execute_all(steps: Disturbed, key: ExecutionKey, world: World) -> int:
    """Execute an execution and its children through all crashes; return how many there were."""
    deaths, seen = 0, set(world.executions_by_name)
    steps.callback_values = world.sent
    for _ in range(200):
        try:
            run_workflow(steps, key)
            return deaths
        except ProcessKilled:
            deaths += 1
        except Suspended:
            for name, other in list(world.executions_by_name.items()):
                if name not in seen:
                    seen.add(name)
                    deaths += execute_all(steps.other(), other, world)
    raise AssertionError("the execution never ends")


def outcome_of(execution: Any) -> Any:
    """Return the facts that must not depend on crashes."""
    nodes = [
        (each["path"], each["attempt"], each["status"], each["itemsIn"], each["itemsOut"])
        for each in execution["nodes"]
    ]
    error = {name: (execution["error"] or {}).get(name) for name in ("code", "nodeId", "message")}
    return execution["status"], execution["output"], error, nodes


DEATHS = st.sets(
    st.tuples(st.integers(1, 30), st.sampled_from(["before", "after", "checkpointed"])), max_size=4
)
SETTINGS = settings(max_examples=example_count(10), deadline=None, suppress_health_check=list(HealthCheck))
INPUT = [{"list": [1, 2]}, {"list": [3]}, {"list": [4, 5, 6]}]
numbers = iter(range(10**9))


@SETTINGS
@given(
    value=workflows(),
    deaths=DEATHS,
    cancel=st.none() | st.integers(1, 20),
    room=st.sampled_from([levels.PLANNED_OPERATIONS, 8, 3]),
)
def test_random_executions_keep_the_invariants(
    me: RegisteredUser, value: dict[str, Any], deaths: set[tuple[int, str]], cancel: int | None, room: int
) -> None:
    path = create_workflow(me, value, f"Flow {next(numbers)}")
    calm, calm_run = World(), start_execution(me, path, INPUT)
    with effects(calm, room):
        execute_all(Disturbed(set(), None), key_of(me, calm_run), calm)
    if room < levels.PLANNED_OPERATIONS:
        alone, alone_run = World(), start_execution(me, path, INPUT)
        with effects(alone, levels.PLANNED_OPERATIONS):
            execute_all(Disturbed(set(), None), key_of(me, alone_run), alone)
        assert not alone.executions_by_name and alone.keys == calm.keys
        assert outcome_of(me.client.get(alone_run).json)[:3] == outcome_of(me.client.get(calm_run).json)[:3]
    world, execution = World(), start_execution(me, path, INPUT)

    def cancel_now() -> None:
        if me.client.post(f"{execution}/cancel").status == 200:
            world.cancelled_at = len(world.keys)

    steps = Disturbed(deaths, (cancel, cancel_now) if cancel else None)
    with effects(world, room):
        died = execute_all(steps, key_of(me, execution), world)
        done = me.client.get(execution).json
        check(world, done, died)
        if world.cancelled_at is None:
            assert outcome_of(done) == outcome_of(me.client.get(calm_run).json)
            assert Counter(calm.keys) <= Counter(world.keys)
        names, keys = list(steps.names), list(world.keys)
        steps.deaths, steps.cancel = set(), None
        run_workflow(steps, key_of(me, execution))
        assert (steps.names, world.keys) == (names, keys), "a replay has no effect"
        run_workflow(InMemorySteps(), key_of(me, execution))
        assert world.keys == keys, "nor does a second start"
    assert me.client.get(execution).json == done, "the end of an execution never changes"


def check(world: World, done: Any, died: int) -> None:
    assert done["status"] in ENDED
    for key, count in Counter(world.keys).items():
        assert count <= 1 + died, key
    repeated = {key.rpartition(":")[0] for key, count in Counter(world.keys).items() if count > 1}
    assert len(repeated) <= died, "a crash repeats its own step, which has an effect for each item"
    if world.cancelled_at is not None:
        assert done["status"] in ("cancelled", "failed"), "failed, when it had failed before"
        assert len(world.keys) == world.cancelled_at, "nothing has an effect after a cancellation"
    seen = [(each["path"], each["attempt"]) for each in done["nodes"]]
    assert len(seen) == len(set(seen)), "each attempt is journalled once"
    if done["status"] == "completed":
        assert done["nodesRun"] + done["nodesSkipped"] == len(done["nodes"])
