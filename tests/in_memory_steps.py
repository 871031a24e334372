"""Durable steps in memory, for tests of what durable functions execute."""

import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeVar

from weconnect.durable.steps import MAX_PARALLEL_BRANCHES, ResultType, Steps, from_json, to_json

T = TypeVar("T")

NUMBERS = itertools.count(1)
"""Make the IDs of callbacks unique, whatever the executions and their steps."""


class Suspended(BaseException):
    """The execution waits for a callback; a durable function would end its invocation here."""


class InMemorySteps:
    """Steps that replay as the durable SDK does: what was checkpointed is not executed again.

    `checkpoints` are JSON by the full name of the step, `names` the steps executed, in order, `waits` the seconds of
    every wait, and `callback_values` what a test completes callbacks with.
    """

    def __init__(self, prefix: str = "", parent: "InMemorySteps | None" = None) -> None:
        self.prefix = prefix
        self.operations = 0
        self.checkpoints: dict[str, str] = parent.checkpoints if parent else {}
        self.names: list[str] = parent.names if parent else []
        self.waits: list[int] = parent.waits if parent else []
        self.callback_values: dict[str, Any] = parent.callback_values if parent else {}

    def step(self, name: str, work: Callable[[], T], result: ResultType[T] | None = None) -> T:
        self.operations += 1
        name = self.prefix + name
        if name not in self.checkpoints:
            self.names.append(name)
            self.checkpoints[name] = json.dumps(to_json(work(), result))
        return from_json(json.loads(self.checkpoints[name]), result)

    def wait(self, name: str, seconds: int) -> None:
        self.step(name, lambda: self.waits.append(seconds))

    def branch(self, prefix: str) -> Self:
        """Return the steps of a parallel branch, which share the checkpoints of these."""
        return type(self)(prefix, self)

    def parallel(
        self,
        name: str,
        branches: Sequence[Callable[[Steps], T]],
        result: ResultType[T] | None = None,
        *,
        max_concurrency: int = MAX_PARALLEL_BRANCHES,
    ) -> list[T]:
        """Execute the branches in order; one that waits does not keep the next one from its turn."""
        results, suspended = [], None
        self.operations += 1 + len(branches)
        for number, branch in enumerate(branches, start=1):
            steps = self.branch(f"{self.prefix}{name}-{number}/")
            try:
                value = json.dumps(to_json(branch(steps), result))
                results.append(from_json(json.loads(value), result))
            except Suspended as waiting:
                suspended = waiting
            self.operations += steps.operations
        if suspended:
            raise suspended
        return results

    def callback(self, name: str, announce: Callable[[str], None], seconds: int) -> Any:
        """Return what a test put into `callback_values` at the callback's ID or the step's name, None for a timeout."""
        self.operations += 1

        def announce_id() -> str:
            callback_id = f"{next(NUMBERS)}:{self.prefix}{name}"
            announce(callback_id)
            return callback_id

        for key in (self.step(f"{name}-announced", announce_id), self.prefix + name):
            if key in self.callback_values:
                return self.callback_values[key]
        raise Suspended
