"""Runs of agents and workflows in a test: starting one hands it to `run_pending`, which carries it out step by step."""

import json
from typing import Any
from uuid import UUID

import pytest

from tests.recorded import Recorded, Suspended
from weconnect.agents.engine import model_requests
from weconnect.agents.engine.loop import run_agent
from weconnect.agents.engine.run_context import Run
from weconnect.agents.models.messages import ModelReply, ModelRequest
from weconnect.executions.lifecycle import Place
from weconnect.workflows.engine.execution_loop import run_workflow


class Starter:
    """Stands where Lambda's client stands; keeps what was asked for, and the runs that wait for a callback."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.waiting: list[tuple[dict[str, Any], Any]] = []
        self.carrying: list[Any] = []
        self.fails = False

    def __call__(self, service: str, **_: Any) -> "Starter":
        assert service == "lambda"
        return self

    def invoke(self, **request: Any) -> dict[str, Any]:
        if self.fails:
            raise ConnectionError("no Lambda")
        self.asked.append(request)
        return {}

    def send_durable_execution_callback_success(self, **sent: Any) -> dict[str, Any]:
        """Send a value to the run that waits for it, and carry it on."""
        if self.fails:
            raise ConnectionError("no Lambda")
        for steps in self.carrying[-1:]:  # which may be about to wait for it
            steps.sent[sent["CallbackId"]] = json.loads(sent["Result"])
        waiting, self.waiting = self.waiting, []
        for request, steps in waiting:
            steps.sent[sent["CallbackId"]] = json.loads(sent["Result"])
            self._carry(request, steps)
        return {}

    def run_pending(self, steps: Any = None) -> None:
        """Carry out all that was asked for, as far as it goes."""
        while self.asked:
            self.run_next(steps)

    def run_next(self, steps: Any = None) -> None:
        """Carry out what was asked for first."""
        self._carry(self.asked.pop(0), steps or Recorded())

    def _carry(self, request: dict[str, Any], steps: Any) -> None:
        payload = {name: UUID(value) for name, value in json.loads(request["Payload"]).items()}
        organization_id, execution_id = payload["organizationId"], payload["executionId"]
        self.carrying.append(steps)
        try:
            if "agentId" in payload:
                run_agent(steps, Run(organization_id, payload["agentId"], execution_id))
            else:
                run_workflow(steps, Place(organization_id, execution_id))
        except Suspended:
            self.waiting.append((request, steps))
        finally:
            self.carrying.pop()


def agent(me: Any, *tools: str, **more: object) -> str:
    """The path of a new agent with builtin tools."""
    path = me.client.post("/v1/agents", {"name": "Helper", **more}).headers["Location"]
    for tool in tools:
        assert me.client.post(f"{path}/tools", {"toolName": tool}).status == 201
    return path


def run(me: Any, starter: Starter, path: str, text: str, **more: object) -> Any:
    """Start a run and carry it out; answers it with its steps."""
    started = me.client.post(f"{path}/executions", {"input": text, **more})
    assert started.status == 202, started.text
    assert started.json["status"] == "pending"
    starter.run_pending()
    return me.client.get(started.headers["Location"]).json


def script(monkeypatch: pytest.MonkeyPatch, *replies: ModelReply | Exception) -> list[ModelRequest]:
    """Let the model answer by script; returns the requests it got."""
    left: list[ModelReply | Exception] = list(replies)
    seen: list[ModelRequest] = []

    def complete(request: ModelRequest, key: str | None) -> ModelReply:
        seen.append(request)
        reply = left.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    monkeypatch.setattr(model_requests, "complete", complete)
    return seen
