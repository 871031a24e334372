"""The durable function in the SDK's own runner: each step is one checkpoint, and none is executed twice."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from aws_durable_execution_sdk_python.lambda_service import OperationStatus
from aws_durable_execution_sdk_python_testing import DurableFunctionTestRunner

from tests import durable_runner
from tests.agents.execution_helpers import Starter
from tests.factories import RegisteredUser
from tests.infra.test_sample_events import load_event
from weconnect.agents.engine import model_requests
from weconnect.agents.tools import invocation
from weconnect.durable import client as durable_client
from weconnect.models import send_request

STEPS = ["load", "model-1", "tool-1-1", "model-2", "finish"]


@pytest.fixture
def effects(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count the calls of models and tools."""
    counts: Counter[str] = Counter()
    call_tool = invocation.call_tool

    def count_request(request: Any, key: Any) -> Any:
        counts["model"] += 1
        return send_request(request, key)

    def count_call(tool: Any, arguments: Any, context: Any) -> Any:
        counts["tool"] += 1
        counts[context.call_key.partition(":")[2]] += 1
        return call_tool(tool, arguments, context)

    monkeypatch.setattr(model_requests, "send_request", count_request)
    monkeypatch.setattr(invocation, "call_tool", count_call)
    return counts


@pytest.fixture
def started(me: RegisteredUser, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Start an execution of an agent with a calculator; return the invocation of its function, and its path."""
    starter = Starter()
    monkeypatch.setattr(durable_client, "lambda_client", lambda: starter)
    agent = me.client.post("/v1/agents", {"name": "Helper"}).headers["Location"]
    assert me.client.post(f"{agent}/tools", {"toolName": "calculator"}).status == 201
    path = me.client.post(f"{agent}/executions", {"input": "what is 17 * 23?"}).headers["Location"]
    (request,) = starter.invocations
    payload = json.loads(request["Payload"])
    assert set(payload) == set(load_event("run_agent")), (
        "tests/sample_events/run_agent.json has the fields that are sent"
    )
    return {"path": path, "payload": request["Payload"], "name": request["DurableExecutionName"]}


@pytest.fixture
def runner() -> Iterator[DurableFunctionTestRunner]:
    from agents.run_agent import handler

    with durable_runner.running_function(handler) as runner:
        yield runner


def run_function(runner: DurableFunctionTestRunner, started: dict[str, str]) -> Any:
    return runner.run(
        input=started["payload"],
        function_name="run_function-agent:live",
        execution_name=started["name"],
        execution_timeout=60,
    )


def require_completed(me: RegisteredUser, started: dict[str, str], result: Any) -> None:
    assert json.loads(result.result) == {"status": "completed"}
    done = me.client.get(started["path"]).json
    assert done["status"] == "completed" and "391" in done["output"]
    assert [(step["number"], step["type"]) for step in done["steps"]] == [
        (1, "model"),
        (2, "tool"),
        (3, "model"),
    ]
    agent = me.client.get(started["path"].partition("/executions")[0]).json
    assert agent["totalExecutions"] == 1, "counted once"


def test_each_step_of_an_execution_is_one_checkpoint(
    me: RegisteredUser, started: dict[str, str], runner: DurableFunctionTestRunner, effects: Counter[str]
) -> None:
    result = run_function(runner, started)
    require_completed(me, started, result)
    assert [operation.name for operation in result.operations] == STEPS
    assert {operation.status for operation in result.operations} == {OperationStatus.SUCCEEDED}
    assert effects == {"model": 2, "tool": 1, "tool-1-1": 1}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_with_a_checkpoint_is_not_executed_again(
    me: RegisteredUser,
    started: dict[str, str],
    runner: DurableFunctionTestRunner,
    effects: Counter[str],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    kill_points = durable_runner.kill_once_at(monkeypatch, f"checkpointed:{step}")
    require_completed(me, started, run_function(runner, started))
    assert effects == {"model": 2, "tool": 1, "tool-1-1": 1}
    assert kill_points.count(f"before:{step}") == 1


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_between_effect_and_checkpoint_repeats_only_that_step(
    me: RegisteredUser,
    started: dict[str, str],
    runner: DurableFunctionTestRunner,
    effects: Counter[str],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    kill_points = durable_runner.kill_once_at(monkeypatch, f"after:{step}")
    require_completed(me, started, run_function(runner, started))
    kind = step.partition("-")[0]
    expected = {
        "model": 2 + (kind == "model"),
        "tool": 1 + (kind == "tool"),
        "tool-1-1": 1 + (kind == "tool"),
    }
    assert effects == expected, "the repeated tool call carries the same key"
    assert {name: kill_points.count(f"before:{name}") for name in STEPS} == {
        name: 1 + (name == step) for name in STEPS
    }


def test_a_finished_execution_is_not_executed_again(
    me: RegisteredUser, started: dict[str, str], runner: DurableFunctionTestRunner, effects: Counter[str]
) -> None:
    assert me.client.post(f"{started['path']}/cancel").json["status"] == "cancelled"
    result = run_function(runner, started)
    assert json.loads(result.result) == {"status": "closed"} and effects == {}
    assert [operation.name for operation in result.operations] == ["load"]
    assert me.client.get(started["path"]).json["status"] == "cancelled"
