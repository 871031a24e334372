"""`kill -9` of the whole host at random moments of a workflow's run: it ends as if nothing had been.

`KILLS` says how many, `SEED` when; the seed is printed and stands in the tests' names.
"""

import os
import random
import threading
import time
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.depth import SOAK
from tests.e2e.services import Effects
from tests.e2e.workflows import ENDED, Api, inner, of_twelve_nodes
from tests.host.local_host import LocalHost

KILLS = int(os.environ.get("KILLS", "20" if SOAK else "2"))
SEED = int(os.environ.get("SEED", "20"))
EFFECTS = ["a", "b", "c", "c", "body", "body", "body", "inner", "inner", "inner"]


class World:
    """The workflow, a run that nobody disturbs, and how all runs ended that were."""

    def __init__(self, host: LocalHost, effects: Effects) -> None:
        self.host, self.effects = host, effects
        api = Api(host)
        self.path = api.made("Twelve nodes", of_twelve_nodes(effects, api.made("Inner", inner(effects))))
        self.ended: dict[str, Any] = {}
        began = time.monotonic()
        run = self.begun(api)
        self.calm = self.carried(run)
        self.seconds = time.monotonic() - began
        assert self.calm["status"] == "completed", self.calm["error"]
        assert sorted(name for name, _ in effects.calls) == sorted(EFFECTS)

    def begun(self, api: Api) -> str:
        self.effects.calls.clear()
        return api.begun(self.path, {"n": 2})

    def carried(self, run: str, killing: threading.Thread | None = None) -> Any:
        """The run when it has ended, its callback completed when it waits for that."""
        while True:
            try:
                api = Api(self.host)
                found = api("GET", run)
                if found["status"] in ENDED and not (killing and killing.is_alive()):
                    return found
                if found["status"] == "waiting" and found["currentNodeIds"] == ["hook"]:
                    value = {"orders": [{"n": 1}, {"n": 2}, {"n": 3}]}
                    token = self.effects.token
                    answer = self.host.request("POST", f"/v1/callbacks/{token}", json={"value": value})
                    assert answer.status_code in (200, 404, 409), answer.text
            except (httpx.HTTPError, AssertionError) as error:
                if killing is None or isinstance(error, AssertionError):
                    raise
            time.sleep(0.05)


@pytest.fixture(scope="module")
def world(host: LocalHost, effects: Effects) -> World:
    world = World(host, effects)
    print(f"seed {SEED}, {KILLS} kills within {world.seconds:.1f} s each")
    return world


@pytest.mark.parametrize("number", range(KILLS), ids=lambda number: f"seed {SEED} kill {number}")
def test_a_run_survives_a_kill(world: World, number: int) -> None:
    host, effects = world.host, world.effects
    # One in each part of the run's time, in an order that shows nothing.
    share = random.Random(f"{SEED} {number}").random()
    moment = world.seconds * (number + share) / KILLS
    before: list[tuple[str, str]] = []

    def kill() -> None:
        time.sleep(moment)
        host.kill()
        before.extend(effects.calls)
        host.start()

    run = world.begun(Api(host))
    killing = threading.Thread(target=kill)
    killing.start()
    found = world.carried(run, killing)
    assert told(found) == told(world.calm), f"killed after {moment:.2f} s"
    keys = Counter(key for _, key in effects.calls)
    assert sorted(name for name, _ in set(effects.calls)) == sorted(EFFECTS)
    repeated = {key for key, times in keys.items() if times > 1}
    assert max(keys.values()) <= 2, "one that the kill interrupted is repeated, once"
    assert repeated <= {key for _, key in before[-2:]}, "what had been checkpointed was repeated"
    (child,) = Api(host).children(run)
    assert child["status"] == "completed"
    world.ended[run] = found


def test_ends_never_change(world: World) -> None:
    """Started once more, the host finds every run as it ended."""
    calls = len(world.effects.calls)
    world.host.restart()
    api = Api(world.host)
    assert {run: api("GET", run) for run in world.ended} == world.ended
    assert len(world.effects.calls) == calls
    runs = api("GET", f"/v1/executions?workflowId={world.path.rpartition('/')[2]}&limit=100")["items"]
    assert len(runs) == len(world.ended) + 1


def told(run: Any) -> Any:
    """What must be the same however it was disturbed: the node runs of branches may end in any order."""
    nodes = [
        (each["path"], each["attempt"], each["status"], each["itemsIn"], each["itemsOut"])
        for each in run["nodes"]
    ]
    counts = [run[name] for name in ("nodesRun", "nodesFailed", "nodesSkipped", "progress")]
    return run["status"], run["error"], run["output"], sorted(nodes), counts
