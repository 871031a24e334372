"""`kill -9` of the host at random moments of a workflow's execution: the result is the same as without kills.

`KILLS` sets how many, `SEED` when; the seed is printed and part of the tests' names.
"""

import os
import random
import threading
import time
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.e2e.fake_services import Effects
from tests.e2e.workflow_api import FINISHED, WorkflowApi, inner_workflow, twelve_node_workflow
from tests.host.local_host import LocalHost
from tests.soak import SOAK

KILLS = int(os.environ.get("KILLS", "20" if SOAK else "2"))
SEED = int(os.environ.get("SEED", "20"))
EFFECTS = ["a", "b", "c", "c", "body", "body", "body", "inner", "inner", "inner"]


class World:
    """The workflow, an undisturbed execution of it, and the results of all killed executions."""

    def __init__(self, host: LocalHost, effects: Effects) -> None:
        self.host, self.effects = host, effects
        api = WorkflowApi(host)
        self.path = api.create_active(
            "Twelve nodes", twelve_node_workflow(effects, api.create_active("Inner", inner_workflow(effects)))
        )
        self.finished: dict[str, Any] = {}
        began = time.monotonic()
        run = self.start(api)
        self.undisturbed = self.wait_until_finished(run)
        self.seconds = time.monotonic() - began
        assert self.undisturbed["status"] == "completed", self.undisturbed["error"]
        assert sorted(name for name, _ in effects.calls) == sorted(EFFECTS)

    def start(self, api: WorkflowApi) -> str:
        self.effects.calls.clear()
        return api.start_execution(self.path, {"n": 2})

    def wait_until_finished(self, path: str, killing: threading.Thread | None = None) -> Any:
        """Return an execution once it has finished, completing its callback when it waits for one."""
        while True:
            try:
                api = WorkflowApi(self.host)
                execution = api("GET", path)
                if execution["status"] in FINISHED and not (killing and killing.is_alive()):
                    return execution
                if execution["status"] == "waiting" and execution["currentNodeIds"] == ["hook"]:
                    value = {"orders": [{"n": 1}, {"n": 2}, {"n": 3}]}
                    token = self.effects.token
                    response = self.host.request("POST", f"/v1/callbacks/{token}", json={"value": value})
                    assert response.status_code in (200, 404, 409), response.text
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
def test_an_execution_survives_a_kill(world: World, number: int) -> None:
    host, effects = world.host, world.effects
    # One kill in each part of the execution's duration.
    share = random.Random(f"{SEED} {number}").random()
    moment = world.seconds * (number + share) / KILLS
    before: list[tuple[str, str]] = []

    def kill() -> None:
        time.sleep(moment)
        host.kill()
        before.extend(effects.calls)
        host.start()

    path = world.start(WorkflowApi(host))
    killing = threading.Thread(target=kill)
    killing.start()
    finished = world.wait_until_finished(path, killing)
    assert summarize(finished) == summarize(world.undisturbed), f"killed after {moment:.2f} s"
    keys = Counter(key for _, key in effects.calls)
    assert sorted(name for name, _ in set(effects.calls)) == sorted(EFFECTS)
    repeated = {key for key, times in keys.items() if times > 1}
    assert max(keys.values()) <= 2, "an interrupted effect is repeated once"
    assert repeated <= {key for _, key in before[-2:]}, "a checkpointed effect was repeated"
    (child,) = WorkflowApi(host).list_children(path)
    assert child["status"] == "completed"
    world.finished[path] = finished


def test_finished_executions_never_change(world: World) -> None:
    """After another restart every execution is as it finished."""
    calls = len(world.effects.calls)
    world.host.restart()
    api = WorkflowApi(world.host)
    assert {run: api("GET", run) for run in world.finished} == world.finished
    assert len(world.effects.calls) == calls
    runs = api("GET", f"/v1/executions?workflowId={world.path.rpartition('/')[2]}&limit=100")["items"]
    assert len(runs) == len(world.finished) + 1


def summarize(execution: Any) -> Any:
    """Return what a kill must not change; the node runs of branches may end in any order."""
    nodes = [
        (node_run["path"], node_run["attempt"], node_run["status"], node_run["itemsIn"], node_run["itemsOut"])
        for node_run in execution["nodes"]
    ]
    counts = [execution[name] for name in ("nodesRun", "nodesFailed", "nodesSkipped", "progress")]
    return execution["status"], execution["error"], execution["output"], sorted(nodes), counts
