"""The durable function on the SDK's in-memory runner: only effects are checkpoints, and none happens twice."""

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from aws_durable_execution_sdk_python.lambda_service import OperationStatus
from aws_durable_execution_sdk_python_testing import DurableFunctionTestRunner

from tests import durable_runner
from tests.agents.execution_helpers import Starter
from tests.executions.execution_helpers import create_workflow, start_execution, statuses_by_path
from tests.factories import RegisteredUser, register
from tests.infra.test_sample_events import load_event
from tests.soak import sample_cases
from tests.workflows.definitions import definition, node
from weconnect.durable import client as durable_client
from weconnect.outbound import client as outbound
from weconnect.outbound.client import OutboundResponse
from weconnect.workflows.engine import levels

EFFECTS = ["a~1", "b~1", "c~1"]


def http(id: str) -> dict[str, Any]:
    return node(id, "http_request", method="POST", url=f"https://example.com/{id}")


CHAIN = definition(
    [*(node(f"s{n}", "set", values={f"n{n}": n}) for n in range(6)), *(http(id) for id in "abc")],
    *("start > s0", "s0 > s1", "s1 > a", "a > s2", "s2 > s3", "s3 > b", "b > s4", "s4 > c", "c > s5"),
)


@pytest.fixture
def effects(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Record how often each URL was called, and with which key."""
    seen: Counter[str] = Counter()

    def send(method: str, url: str, **options: Any) -> OutboundResponse:
        seen[url[-1]] += 1
        seen[options["headers"]["idempotency-key"].partition(":")[2]] += 1
        return OutboundResponse(200, {}, b"fine", url)

    monkeypatch.setattr(outbound, "send", send)
    return seen


@pytest.fixture
def runner() -> Iterator[DurableFunctionTestRunner]:
    from executions.run_workflow import handler

    with durable_runner.running_function(handler) as runner:
        yield runner


def start_on_runner(
    aws: None, monkeypatch: pytest.MonkeyPatch, value: dict[str, Any], execution_input: Any = None
) -> tuple[RegisteredUser, str, Any]:
    """Start an execution; return its user, its path, and the invocation of Lambda."""
    starter, me = Starter(), register()
    monkeypatch.setattr(durable_client, "lambda_client", lambda: starter)
    execution = start_execution(me, create_workflow(me, value), execution_input or {"n": 1})
    (request,) = starter.invocations
    assert set(json.loads(request["Payload"])) == set(load_event("run_workflow"))
    return me, execution, request


def run_to_end(runner: DurableFunctionTestRunner, request: Any) -> Any:
    return runner.run(
        input=request["Payload"],
        function_name="run-workflow:live",
        execution_name=request["DurableExecutionName"],
        execution_timeout=60,
    )


def check(me: RegisteredUser, execution: str, ended: Any) -> None:
    assert json.loads(ended.result) == {"status": "completed"}
    done = me.client.get(execution).json
    assert done["status"] == "completed" and done["output"][0]["n5"] == 5
    assert set(statuses_by_path(done).values()) == {"completed"} and len(done["nodes"]) == 10
    assert me.client.get(f"/v1/workflows/{done['workflowId']}").json["executionCount"] == 1, "counted once"


def test_ten_nodes_with_three_effects_take_five_operations(
    aws: None, monkeypatch: pytest.MonkeyPatch, runner: DurableFunctionTestRunner, effects: Counter[str]
) -> None:
    me, execution, request = start_on_runner(aws, monkeypatch, CHAIN)
    ended = run_to_end(runner, request)
    check(me, execution, ended)
    assert [operation.name for operation in ended.operations] == ["load", *EFFECTS, "finish"]
    assert {operation.status for operation in ended.operations} == {OperationStatus.SUCCEEDED}
    assert effects["a"] == effects["b"] == effects["c"] == 1


@pytest.mark.parametrize("step", ["load", *EFFECTS, "finish"])
@pytest.mark.parametrize(("moment", "repeats"), [("checkpointed", 0), ("after", 1)])
def test_a_crash_repeats_at_most_its_own_step(
    aws: None,
    monkeypatch: pytest.MonkeyPatch,
    runner: DurableFunctionTestRunner,
    effects: Counter[str],
    step: str,
    moment: str,
    repeats: int,
) -> None:
    me, execution, request = start_on_runner(aws, monkeypatch, CHAIN)
    passed = durable_runner.kill_once_at(monkeypatch, f"{moment}:{step}")
    check(me, execution, run_to_end(runner, request))
    for name in EFFECTS:
        again = repeats if name == step else 0
        assert effects[name[0]] == 1 + again
        assert effects[f"{name[0]}:1:0"] == 1 + again, "under the same key"
    assert passed.count(f"before:{step}") == 1 + repeats


LOOP = definition(
    [node("l", "loop"), http("a"), node("s5", "set", values={"n5": 5})],
    *("start > l", "l.loop > a", "a > l", "l.done > s5"),
)


SLICED_STEPS = ["a.2~1", "l.1-2~fence", "hold-1", "l.1-2~1/start", "l.1-2~1/run-announced", "l.1-2~1/result"]


@pytest.mark.parametrize(
    ("step", "moment"),
    sample_cases(list(itertools.product(SLICED_STEPS, ["after", "checkpointed"])), every=3),
)
def test_a_crash_in_a_sliced_loop_repeats_nothing_else(
    aws: None,
    monkeypatch: pytest.MonkeyPatch,
    runner: DurableFunctionTestRunner,
    effects: Counter[str],
    step: str,
    moment: str,
) -> None:
    monkeypatch.setattr(levels, "PLANNED_OPERATIONS", 6)
    me, execution, request = start_on_runner(aws, monkeypatch, LOOP, [{"n": number} for number in range(5)])
    lambda_client = durable_runner.RunnerLambdaClient(runner)
    monkeypatch.setattr(durable_client, "lambda_client", lambda: lambda_client)
    durable_runner.kill_once_at(monkeypatch, f"{moment}:{step}")
    ended = run_to_end(runner, request)
    assert json.loads(ended.result) == {"status": "completed"}
    done = me.client.get(execution).json
    assert set(statuses_by_path(done)) == {"start", "l.1-2", "l.3-4", "l.5-5", "l", "s5"}
    assert len(done["output"]) == 5 and len(lambda_client.started) == 3
    again = int((step, moment) == ("a.2~1", "after"))
    assert effects["a"] == 5 + again and effects["a.2:1:0"] == 1 + again


def test_branches_waits_and_loops_work_with_the_sdk(
    aws: None, monkeypatch: pytest.MonkeyPatch, runner: DurableFunctionTestRunner, effects: Counter[str]
) -> None:
    value = definition(
        [
            http("a"),
            http("b"),
            node("m", "merge"),
            node("w", "wait", seconds=1),
            node("l", "loop"),
            http("c"),
        ],
        *("start > a", "start > b", "a > m.a", "b > m.b", "m > w", "w > l", "l.loop > c", "c > l"),
    )
    me, execution, request = start_on_runner(aws, monkeypatch, value)
    ended = run_to_end(runner, request)
    assert json.loads(ended.result) == {"status": "completed"}
    done = me.client.get(execution).json
    assert set(statuses_by_path(done)) == {"start", "a", "b", "m", "w", "l", "c.1", "c.2"}
    assert (effects["a"], effects["b"], effects["c"]) == (1, 1, 2)
