"""Random workflows under random failures, deaths and cancels, carried out in memory; a checker reads what they left.

Held: every run ends and its end never changes; an effect that was checkpointed is not repeated, and one that was not is
repeated under the same key; nothing has an effect after a cancel; each node is journalled once; disturbed by deaths
alone, a run comes to the same end as undisturbed; a replay does nothing and asks for nothing new; and a loop comes to
the same end whether its run does it alone or in slices.
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

from tests.agents.runs import Starter
from tests.depth import examples
from tests.executions.runs import begun, made
from tests.factories import Registered, registered
from tests.mortal import Died
from tests.recorded import Recorded, Suspended
from tests.workflows.definitions import definition, node
from weconnect import durable
from weconnect.executions.lifecycle import Place
from weconnect.outbound import client as outbound
from weconnect.outbound.client import OutboundResponse
from weconnect.workflows.engine import levels
from weconnect.workflows.engine.execution_loop import run_workflow

ENDED = {"completed", "failed", "cancelled", "timeout"}


@dataclass
class World:
    """What effects have seen, their keys in order; and what Lambda was asked for: runs by name, values by callback."""

    keys: list[str] = field(default_factory=list)
    cancelled_at: int | None = None
    asked: dict[str, Place] = field(default_factory=dict)
    sent: dict[str, Any] = field(default_factory=dict)

    def invoke(self, **request: Any) -> None:
        asked = json.loads(request["Payload"])
        place = Place(UUID(asked["organizationId"]), UUID(asked["executionId"]))
        self.asked.setdefault(request["DurableExecutionName"], place)

    def send_durable_execution_callback_success(self, **sent: Any) -> None:
        self.sent[sent["CallbackId"]] = json.loads(sent["Result"])


class Disturbed(Recorded):
    """Steps in which the process dies, or somebody cancels, when so many steps have been taken."""

    def __init__(self, deaths: set[tuple[int, str]], cancel: tuple[int, Callable[[], None]] | None) -> None:
        super().__init__()
        self.state = {"taken": 0}
        self.deaths, self.cancel = deaths, cancel

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        if self.place + name in self.done:
            return super().step(name, work)
        taken = self.state["taken"] = self.state["taken"] + 1
        if self.cancel and taken == self.cancel[0]:
            self.cancel[1]()
        if (taken, "before") in self.deaths:
            raise Died
        if (taken, "after") in self.deaths:
            work()
            raise Died
        answer = super().step(name, work)
        if (taken, "checkpointed") in self.deaths:
            raise Died
        return answer

    def other(self) -> "Disturbed":
        """Those of another run, in the same disturbed world."""
        found = Disturbed(self.deaths, self.cancel)
        found.state, found.sent = self.state, self.sent
        return found

    def parallel(self, name: str, branches: Any, at_once: int = 8) -> list[Any]:
        found = []
        for number, branch in enumerate(branches, start=1):
            inner = self.other()
            inner.place, inner.done, inner.names = f"{self.place}{name}-{number}/", self.done, self.names
            inner.waited = self.waited
            found.append(branch(inner))
        return found


@st.composite
def workflows(draw: st.DrawFn) -> dict[str, Any]:
    """A definition whose connections go from earlier nodes to later ones, with a loop now and then."""
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
    parameters: dict[str, Any] = {
        "set": {"values": {id: "{{ $count($input) }}"}},
        "if": {"condition": draw(st.booleans())},
        "merge": {"mode": draw(st.sampled_from(["all", "any", "append"]))},
        "wait": {"seconds": 1},
        "split": {"field": "list", "keepOthers": True},
    }[type]
    return node(id, type, **parameters)


@pytest.fixture(scope="module")
def me() -> Iterator[Registered]:
    from tests.api.matrix_factories import services

    with services(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "lambda_client", lambda: Starter())
        yield registered()


@contextmanager
def effects(world: World, room: int) -> Iterator[None]:
    def send(method: str, url: str, **options: Any) -> OutboundResponse:
        key = options["headers"]["idempotency-key"].partition(":")[2]
        world.keys.append(key)
        attempt = int(key.split(":")[1])
        return OutboundResponse(int(url.rpartition("/")[2].split("-")[attempt - 1]), {}, b"x", url)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outbound, "send", send)
        patch.setattr(durable, "lambda_client", lambda: world)
        patch.setattr(levels, "ROOM", room)
        yield


def place_of(me: Registered, run: str) -> Place:
    return Place(UUID(me.organization["id"]), UUID(run.rpartition("/")[2]))


def carried(steps: Disturbed, place: Place, world: World) -> int:
    """Carry a run out over as many deaths as it takes, with the runs that it waits for; answers how many there were."""
    deaths, seen = 0, set(world.asked)
    steps.sent = world.sent
    for _ in range(200):
        try:
            run_workflow(steps, place)
            return deaths
        except Died:
            deaths += 1
        except Suspended:
            for name, other in list(world.asked.items()):
                if name not in seen:
                    seen.add(name)
                    deaths += carried(steps.other(), other, world)
    raise AssertionError("it never ends")


def told(run: Any) -> Any:
    """What must be the same however often the process died."""
    nodes = [
        (each["path"], each["attempt"], each["status"], each["itemsIn"], each["itemsOut"])
        for each in run["nodes"]
    ]
    error = {name: (run["error"] or {}).get(name) for name in ("code", "nodeId", "message")}
    return run["status"], run["output"], error, nodes


DEATHS = st.sets(
    st.tuples(st.integers(1, 30), st.sampled_from(["before", "after", "checkpointed"])), max_size=4
)
SETTINGS = settings(max_examples=examples(24), deadline=None, suppress_health_check=list(HealthCheck))
INPUT = [{"list": [1, 2]}, {"list": [3]}, {"list": [4, 5, 6]}]
numbers = iter(range(10**9))


@SETTINGS
@given(
    value=workflows(),
    deaths=DEATHS,
    cancel=st.none() | st.integers(1, 20),
    room=st.sampled_from([levels.ROOM, 8, 3]),
)
def test_runs_keep_their_promises(
    me: Registered, value: dict[str, Any], deaths: set[tuple[int, str]], cancel: int | None, room: int
) -> None:
    path = made(me, value, f"Flow {next(numbers)}")
    calm, calm_run = World(), begun(me, path, INPUT)
    with effects(calm, room):
        carried(Disturbed(set(), None), place_of(me, calm_run), calm)
    if room < levels.ROOM:
        alone, alone_run = World(), begun(me, path, INPUT)
        with effects(alone, levels.ROOM):
            carried(Disturbed(set(), None), place_of(me, alone_run), alone)
        assert not alone.asked and alone.keys == calm.keys
        assert told(me.client.get(alone_run).json)[:3] == told(me.client.get(calm_run).json)[:3]
    world, run = World(), begun(me, path, INPUT)

    def stop() -> None:
        if me.client.post(f"{run}/cancel").status == 200:
            world.cancelled_at = len(world.keys)

    steps = Disturbed(deaths, (cancel, stop) if cancel else None)
    with effects(world, room):
        died = carried(steps, place_of(me, run), world)
        done = me.client.get(run).json
        check(world, done, died)
        if world.cancelled_at is None:
            assert told(done) == told(me.client.get(calm_run).json)
            assert Counter(calm.keys) <= Counter(world.keys)
        names, keys = list(steps.names), list(world.keys)
        steps.deaths, steps.cancel = set(), None
        run_workflow(steps, place_of(me, run))
        assert (steps.names, world.keys) == (names, keys), "a replay does nothing"
        run_workflow(Recorded(), place_of(me, run))
        assert world.keys == keys, "nor does a second start"
    assert me.client.get(run).json == done, "the end of a run never changes"


def check(world: World, done: Any, died: int) -> None:
    assert done["status"] in ENDED
    for key, count in Counter(world.keys).items():
        assert count <= 1 + died, key
    repeated = {key.rpartition(":")[0] for key, count in Counter(world.keys).items() if count > 1}
    assert len(repeated) <= died, "a death repeats its own step, which has an effect for each item"
    if world.cancelled_at is not None:
        assert done["status"] in ("cancelled", "failed"), "failed, when it had failed before"
        assert len(world.keys) == world.cancelled_at, "nothing has an effect after a cancel"
    seen = [(each["path"], each["attempt"]) for each in done["nodes"]]
    assert len(seen) == len(set(seen)), "each attempt is journalled once"
    if done["status"] == "completed":
        assert done["nodesRun"] + done["nodesSkipped"] == len(done["nodes"])
