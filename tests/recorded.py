"""Steps in memory, for tests of what is carried out in durable functions."""

import json
from collections.abc import Callable, Sequence
from typing import Any


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
                results.append(branch(type(self)(f"{self.place}{name}-{number}/", self)))
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
