"""Runs of agents in a test: starting one hands it to `run_pending`, which carries it out step by step."""

import json
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import pytest

from weconnect.agents import asking
from weconnect.agents.loop import run_agent
from weconnect.agents.providers.messages import ModelReply, ModelRequest
from weconnect.agents.run import Run


class Suspended(BaseException):
    """The run waits for a callback, as a durable function that ends its invocation."""


class Recorded:
    """Steps in memory, replayable as the durable SDK does: what was checkpointed is not done again."""

    def __init__(self, place: str = "", kept: "Recorded | None" = None) -> None:
        self.place = place
        self.done: dict[str, str] = kept.done if kept else {}
        self.names: list[str] = kept.names if kept else []
        self.waited: list[int] = kept.waited if kept else []
        self.sent: dict[str, Any] = kept.sent if kept else {}

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        name = self.place + name
        if name not in self.done:
            self.names.append(name)
            self.done[name] = json.dumps(work())
        return json.loads(self.done[name])

    def wait(self, name: str, seconds: int) -> None:
        self.step(name, lambda: self.waited.append(seconds))

    def parallel(
        self, name: str, branches: "Sequence[Callable[[Recorded], Any]]", at_once: int = 8
    ) -> list[Any]:
        """One after the other; a branch that waits does not keep the next one from its turn."""
        results, suspended = [], None
        for number, branch in enumerate(branches, start=1):
            try:
                results.append(branch(Recorded(f"{self.place}{name}-{number}/", self)))
            except Suspended as waiting:
                suspended = waiting
        if suspended:
            raise suspended
        return results

    def callback(self, name: str, announce: Callable[[str], None], seconds: int) -> Any:
        """The callback's id is its name; a test sends its value into `sent`, or None when its time is over."""
        self.step(f"{name}-announced", lambda: announce(self.place + name))
        if self.place + name not in self.sent:
            raise Suspended
        return self.sent[self.place + name]


class Starter:
    """Stands where Lambda's client stands; keeps what was asked for, and the runs that wait for a callback."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.waiting: list[tuple[dict[str, Any], Any]] = []
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
        waiting, self.waiting = self.waiting, []
        for request, steps in waiting:
            steps.sent[sent["CallbackId"]] = json.loads(sent["Result"])
            self._carry(request, steps)
        return {}

    def run_pending(self, steps: Any = None) -> None:
        """Carry out all that was asked for, as far as it goes."""
        while self.asked:
            self._carry(self.asked.pop(0), steps or Recorded())

    def _carry(self, request: dict[str, Any], steps: Any) -> None:
        payload = json.loads(request["Payload"])
        run = Run(UUID(payload["organizationId"]), UUID(payload["agentId"]), UUID(payload["executionId"]))
        try:
            run_agent(steps, run)
        except Suspended:
            self.waiting.append((request, steps))


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

    monkeypatch.setattr(asking, "complete", complete)
    return seen
