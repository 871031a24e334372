"""Runs of agents in a test: starting one hands it to `run_pending`, which carries it out step by step."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from weconnect.agents.loop import Run, run_agent


class Recorded:
    """Steps in memory, replayable as the durable SDK does: what was checkpointed is not done again."""

    def __init__(self) -> None:
        self.done: dict[str, str] = {}
        self.names: list[str] = []

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        if name not in self.done:
            self.names.append(name)
            self.done[name] = json.dumps(work())
        return json.loads(self.done[name])


class Starter:
    """Stands where Lambda's client stands; keeps what was asked for."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.fails = False

    def __call__(self, service: str, **_: Any) -> "Starter":
        assert service == "lambda"
        return self

    def invoke(self, **request: Any) -> dict[str, Any]:
        if self.fails:
            raise ConnectionError("no Lambda")
        self.asked.append(request)
        return {}

    def run_pending(self, steps: Any = None) -> None:
        """Carry out all that was asked for."""
        while self.asked:
            payload = json.loads(self.asked.pop(0)["Payload"])
            run = Run(UUID(payload["organizationId"]), UUID(payload["agentId"]), UUID(payload["executionId"]))
            run_agent(steps or Recorded(), run)
