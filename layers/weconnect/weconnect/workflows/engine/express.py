"""Express executions: executed within their caller's request, without a durable function.

They take one write at the start and one at the end. Nobody was told of such an execution before it has ended, so a
crash loses nothing; the sweeper completes what is left of it.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from weconnect import fault_injection
from weconnect.durable.steps import MAX_PARALLEL_BRANCHES, ResultType, StepFailed, Steps
from weconnect.executions.entities import ExecutionStatus
from weconnect.executions.followups import complete_execution
from weconnect.executions.lifecycle import key_of
from weconnect.executions.rows import ExecutionRow
from weconnect.workflows.engine.execution_loop import ExecutionLoop, broken_completion
from weconnect.workflows.engine.execution_snapshot import take_snapshot
from weconnect.workflows.engine.fence import EXPRESS_SECONDS
from weconnect.workflows.engine.fenced_steps import ExecutionEnded
from weconnect.workflows.entities import WorkflowDefinition

T = TypeVar("T")


class InlineSteps:
    """Steps that are executed at once, one after the other, within the time that the caller waits."""

    def __init__(self) -> None:
        self.operations = 0  # no platform counts them
        self._until = time.monotonic() + EXPRESS_SECONDS

    def step(self, name: str, work: Callable[[], T], result: ResultType[T] | None = None) -> T:
        fault_injection.kill_point(f"before:{name}")
        try:
            value = work()
        except Exception as error:
            raise StepFailed(f"{name}: {error}") from error
        fault_injection.kill_point(f"after:{name}")
        return value

    def wait(self, name: str, seconds: int) -> None:
        if time.monotonic() + seconds >= self._until:
            raise ExecutionEnded(ExecutionStatus.TIMEOUT)  # it would be over afterwards
        time.sleep(seconds)

    def parallel(
        self,
        name: str,
        branches: Sequence[Callable[[Steps], T]],
        result: ResultType[T] | None = None,
        *,
        max_concurrency: int = MAX_PARALLEL_BRANCHES,
    ) -> list[T]:
        return [branch(self) for branch in branches]

    def callback(self, name: str, announce: Callable[[str], None], seconds: int) -> Any:
        raise AssertionError("validation keeps nodes that wait out of express executions")


def execute_express(row: ExecutionRow, definition: WorkflowDefinition) -> None:
    """Execute an execution that was stored as running, and complete it."""
    loop = ExecutionLoop(InlineSteps(), key_of(row), take_snapshot(row, definition))
    try:
        completion = loop.execute()
    except StepFailed as failure:
        completion = broken_completion(failure)
    complete_execution(row, completion, loop.unwritten_journal())
