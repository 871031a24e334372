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
from weconnect.workflows.engine.execution_loop import ExecutionLoop, build_broken_completion
from weconnect.workflows.engine.execution_snapshot import take_snapshot
from weconnect.workflows.engine.fence import EXPRESS_SECONDS
from weconnect.workflows.engine.fenced_steps import ExecutionEnded
from weconnect.workflows.entities import WorkflowDefinition
from weconnect.workflows.executions.rows import ExecutionKey, WorkflowExecutionRow

T = TypeVar("T")


class InlineSteps:
    """Steps that are executed at once, one after the other, within the time that the caller waits.

    Operations are counted as in a durable execution, so that a workflow has the same limit in both.
    """

    def __init__(self) -> None:
        self.operations = 1  # a durable execution takes one to load
        self._until = time.monotonic() + EXPRESS_SECONDS

    def step(self, name: str, work: Callable[[], T], result: ResultType[T] | None = None) -> T:
        """Return what `work` returns. Raises StepFailed for any of its exceptions."""
        self.operations += 1
        fault_injection.kill_point(f"before:{name}")
        try:
            value = work()
        except Exception as error:
            raise StepFailed(f"{name}: {error}") from error
        fault_injection.kill_point(f"after:{name}")
        return value

    def wait(self, name: str, seconds: int) -> None:
        """Sleep. Raises ExecutionEnded, at once, when the caller's time would be over afterwards."""
        self.operations += 1
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
        """Execute the branches in order, despite the name, and return their results."""
        self.operations += 1 + len(branches)
        return [branch(self) for branch in branches]

    def callback(self, name: str, announce: Callable[[str], None], seconds: int) -> Any:
        """Raise AssertionError: an express execution cannot wait for a callback."""
        raise AssertionError("validation keeps nodes that wait out of express executions")


def execute_express(row: WorkflowExecutionRow, definition: WorkflowDefinition) -> None:
    """Execute an execution that was stored as running, and complete it."""
    loop = ExecutionLoop(InlineSteps(), ExecutionKey.of(row), take_snapshot(row, definition))
    try:
        completion = loop.execute()
    except StepFailed as failure:
        completion = build_broken_completion(failure)
    complete_execution(row, completion, loop.unwritten_journal())
