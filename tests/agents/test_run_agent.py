"""The durable function on the SDK's own in-memory runner: a step is one checkpoint, and none is done twice."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from aws_durable_execution_sdk_python.lambda_service import OperationStatus
from aws_durable_execution_sdk_python_testing import DurableFunctionTestRunner

from tests import mortal
from tests.agents.runs import Starter
from tests.factories import Registered, registered
from tests.infra.test_sample_events import event
from weconnect import durable
from weconnect.agents.engine import model_requests
from weconnect.agents.tools import invocation

STEPS = ["load", "model-1", "tool-1-1", "model-2", "finish"]


@pytest.fixture
def me(aws: None) -> Registered:
    return registered()


@pytest.fixture
def effects(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often models and tools were really called."""
    seen: Counter[str] = Counter()
    complete, call = model_requests.complete, invocation.call

    def counted_complete(request: Any, key: Any) -> Any:
        seen["model"] += 1
        return complete(request, key)

    def counted_call(tool: Any, arguments: Any, context: Any) -> Any:
        seen["tool"] += 1
        seen[context.call_key.partition(":")[2]] += 1
        return call(tool, arguments, context)

    monkeypatch.setattr(model_requests, "complete", counted_complete)
    monkeypatch.setattr(invocation, "call", counted_call)
    return seen


@pytest.fixture
def started(me: Registered, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A pending run of an agent with the calculator: what `executions` asked Lambda for, and the run's path."""
    starter = Starter()
    monkeypatch.setattr(durable, "lambda_client", lambda: starter)
    agent = me.client.post("/v1/agents", {"name": "Helper"}).headers["Location"]
    assert me.client.post(f"{agent}/tools", {"toolName": "calculator"}).status == 201
    path = me.client.post(f"{agent}/executions", {"input": "what is 17 * 23?"}).headers["Location"]
    (request,) = starter.asked
    payload = json.loads(request["Payload"])
    assert set(payload) == set(event("run_agent")), "tests/sample_events/run_agent.json is what is sent"
    return {"path": path, "payload": request["Payload"], "name": request["DurableExecutionName"]}


@pytest.fixture
def runner() -> Iterator[DurableFunctionTestRunner]:
    from agents.run_agent import handler

    with mortal.running(handler) as runner:
        yield runner


def run(runner: DurableFunctionTestRunner, started: dict[str, str]) -> Any:
    return runner.run(
        input=started["payload"],
        function_name="run-agent:live",
        execution_name=started["name"],
        execution_timeout=60,
    )


def check_ended_well(me: Registered, started: dict[str, str], ended: Any) -> None:
    assert json.loads(ended.result) == {"status": "completed"}
    done = me.client.get(started["path"]).json
    assert done["status"] == "completed" and "391" in done["output"]
    assert [(step["number"], step["type"]) for step in done["steps"]] == [
        (1, "model"),
        (2, "tool"),
        (3, "model"),
    ]
    agent = me.client.get(started["path"].partition("/executions")[0]).json
    assert agent["totalExecutions"] == 1, "counted once"


def test_a_run_is_one_checkpoint_a_step(me: Registered, started, runner, effects: Counter[str]) -> None:
    ended = run(runner, started)
    check_ended_well(me, started, ended)
    assert [operation.name for operation in ended.operations] == STEPS
    assert {operation.status for operation in ended.operations} == {OperationStatus.SUCCEEDED}
    assert effects == {"model": 2, "tool": 1, "tool-1-1": 1}


@pytest.mark.parametrize("step", STEPS)
def test_what_was_checkpointed_is_not_done_again(
    me: Registered, started, runner, effects: Counter[str], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    passed = mortal.die_once(monkeypatch, f"checkpointed:{step}")
    check_ended_well(me, started, run(runner, started))
    assert effects == {"model": 2, "tool": 1, "tool-1-1": 1}
    assert passed.count(f"before:{step}") == 1


@pytest.mark.parametrize("step", STEPS)
def test_a_death_between_effect_and_checkpoint_repeats_that_step_alone(
    me: Registered, started, runner, effects: Counter[str], monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    passed = mortal.die_once(monkeypatch, f"after:{step}")
    check_ended_well(me, started, run(runner, started))
    kind = step.partition("-")[0]
    expected = {
        "model": 2 + (kind == "model"),
        "tool": 1 + (kind == "tool"),
        "tool-1-1": 1 + (kind == "tool"),
    }
    assert effects == expected, "the repeated tool call carries the same key"
    assert {name: passed.count(f"before:{name}") for name in STEPS} == {
        name: 1 + (name == step) for name in STEPS
    }


def test_a_run_that_has_ended_is_left_alone(me: Registered, started, runner, effects: Counter[str]) -> None:
    assert me.client.post(f"{started['path']}/cancel").json["status"] == "cancelled"
    ended = run(runner, started)
    assert json.loads(ended.result) == {"status": "closed"} and effects == {}
    assert [operation.name for operation in ended.operations] == ["load"]
    assert me.client.get(started["path"]).json["status"] == "cancelled"
