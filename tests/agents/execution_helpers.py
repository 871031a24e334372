"""Executions of agents and workflows in a test: `Starter.run_pending` executes what was started, step by step."""

import json
from typing import Any
from uuid import UUID

import pytest

from tests import role_recorder
from tests.factories import RegisteredUser
from tests.in_memory_steps import InMemorySteps, Suspended
from weconnect.agents.engine import model_requests
from weconnect.agents.engine.execution_context import ExecutionContext
from weconnect.agents.engine.loop import run_agent
from weconnect.executions import sweeper
from weconnect.executions.rows import SweptState
from weconnect.models.messages import ModelReply, ModelRequest
from weconnect.workflows.engine.execution_loop import run_workflow
from weconnect.workflows.executions.rows import ExecutionKey


class Starter:
    """A replacement of Lambda's client that executes in memory.

    `invocations` are the requests that were not executed yet, `suspended` the executions that wait for a callback, each
    with its steps, `executing` the steps of the executions that are running now, and `failed` the durable executions
    that have failed (name, status), newest first.
    """

    def __init__(self) -> None:
        self.invocations: list[dict[str, Any]] = []
        self.suspended: list[tuple[dict[str, Any], Any]] = []
        self.executing: list[Any] = []
        self.failed: list[tuple[str, str]] = []
        self.is_unavailable = False

    def __call__(self, service: str, **_: Any) -> "Starter":
        assert service == "lambda"
        return self

    def invoke(self, **request: Any) -> dict[str, Any]:
        if self.is_unavailable:
            raise ConnectionError("no Lambda")
        role_recorder.record("lambda", "Invoke", request)
        self.invocations.append(request)
        return {}

    def send_durable_execution_callback_success(self, **sent: Any) -> dict[str, Any]:
        """Complete a callback, and resume the executions that wait."""
        if self.is_unavailable:
            raise ConnectionError("no Lambda")
        role_recorder.record("lambda", "SendDurableExecutionCallbackSuccess", sent)
        for steps in self.executing[-1:]:  # the one running now may be about to wait for it
            steps.callback_values[sent["CallbackId"]] = json.loads(sent["Result"])
        suspended, self.suspended = self.suspended, []
        for request, steps in suspended:
            steps.callback_values[sent["CallbackId"]] = json.loads(sent["Result"])
            self._execute(request, steps)
        return {}

    def list_durable_executions_by_function(self, **request: Any) -> dict[str, Any]:
        """Return a page of the failed durable executions of a function; those of workflows have longer names."""
        if self.is_unavailable:
            raise ConnectionError("no Lambda")
        role_recorder.record("lambda", "ListDurableExecutionsByFunction", request)
        assert request["Statuses"] == ["FAILED", "TIMED_OUT", "STOPPED"]
        is_agent = request["FunctionName"] == "run-agent"
        failed = [each for each in self.failed if (len(each[0]) < 64) == is_agent]
        first = int(request.get("Marker", 0))
        following = first + int(request["MaxItems"])
        page = [{"DurableExecutionName": name, "Status": status} for name, status in failed[first:following]]
        return {
            "DurableExecutions": page,
            **({"NextMarker": str(following)} if following < len(failed) else {}),
        }

    def run_pending(self, steps: Any = None) -> None:
        """Execute all invocations until they finish or suspend."""
        while self.invocations:
            self.run_next(steps)

    def run_next(self, steps: Any = None) -> None:
        """Execute the first invocation until it finishes or suspends."""
        self._execute(self.invocations.pop(0), steps or InMemorySteps())

    def _execute(self, request: dict[str, Any], steps: Any) -> None:
        payload = {name: UUID(value) for name, value in json.loads(request["Payload"]).items()}
        organization_id, execution_id = payload["organizationId"], payload["executionId"]
        self.executing.append(steps)
        try:
            if "agentId" in payload:
                run_agent(steps, ExecutionContext(organization_id, payload["agentId"], execution_id))
            else:
                run_workflow(steps, ExecutionKey(organization_id, execution_id))
        except Suspended:
            self.suspended.append((request, steps))
        finally:
            self.executing.pop()


def create_agent(me: RegisteredUser, *tools: str, **more: object) -> str:
    """Create an agent with builtin tools; return its path."""
    path = me.client.post("/v1/agents", {"name": "Helper", **more}).headers["Location"]
    for tool in tools:
        assert me.client.post(f"{path}/tools", {"toolName": tool}).status == 201
    return str(path)


def execute(me: RegisteredUser, starter: Starter, path: str, text: str, **more: object) -> Any:
    """Start an execution and run it; return it with its steps."""
    started = me.client.post(f"{path}/executions", {"input": text, **more})
    assert started.status == 202, started.text
    assert started.json["status"] == "pending"
    starter.run_pending()
    return me.client.get(started.headers["Location"]).json


def script_replies(monkeypatch: pytest.MonkeyPatch, *replies: ModelReply | Exception) -> list[ModelRequest]:
    """Replace the model by scripted replies; return the list of the requests that it receives."""
    remaining: list[ModelReply | Exception] = list(replies)
    requests: list[ModelRequest] = []

    def send_request(request: ModelRequest, key: str | None) -> ModelReply:
        requests.append(request)
        reply = remaining.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    monkeypatch.setattr(model_requests, "send_request", send_request)
    return requests


def execute_immediately(starter: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Execute each invocation before the request that starts it returns."""
    invoke = starter.invoke

    def invoke_and_execute(**request: Any) -> dict[str, Any]:
        response = invoke(**request)
        starter.run_pending()
        return response

    monkeypatch.setattr(starter, "invoke", invoke_and_execute)


def sweep_early(monkeypatch: pytest.MonkeyPatch, *states: SweptState) -> None:
    """Let the sweeper look at executions in these states at once."""
    for state in states:
        monkeypatch.setitem(sweeper.SWEEP_AFTER_SECONDS, state, -5)
