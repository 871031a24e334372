"""Runs that are carried out while their caller waits: no durable function, one write at the start, one at the end.

Nobody was promised such a run before it has ended, so a crash loses nothing; the sweeper marks what is left of it.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from weconnect import fault_injection
from weconnect.durable import StepFailed
from weconnect.executions.completion import Outcome, finish
from weconnect.executions.entities import ExecutionError, ExecutionStatus
from weconnect.executions.lifecycle import EXPRESS_SECONDS, Place, pin
from weconnect.executions.rows import ExecutionRow
from weconnect.workflows.engine.execution_loop import Engine
from weconnect.workflows.engine.node_executor import Ended
from weconnect.workflows.entities import WorkflowDefinition


class InlineSteps:
    """Steps that are simply done, one after the other, within the time that the caller waits."""

    def __init__(self) -> None:
        self._until = time.monotonic() + EXPRESS_SECONDS

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        fault_injection.point(f"before:{name}")
        try:
            result = work()
        except Exception as error:
            raise StepFailed(f"{name}: {error}") from error
        fault_injection.point(f"after:{name}")
        return result

    def wait(self, name: str, seconds: int) -> None:
        if time.monotonic() + seconds >= self._until:
            raise Ended(ExecutionStatus.TIMEOUT)  # as it would be afterwards, if the function lived so long
        time.sleep(seconds)

    def parallel(self, name: str, branches: Sequence[Callable[[Any], Any]], at_once: int = 1) -> list[Any]:
        return [branch(self) for branch in branches]

    def callback(self, name: str, announce: Callable[[str], None], seconds: int) -> Any:
        raise AssertionError("the check keeps nodes that wait out of such runs")


def run(row: ExecutionRow, definition: WorkflowDefinition) -> None:
    """Carry out a run that was stored as running."""
    place = Place(UUID(row.organization_id), UUID(row.id))
    engine = Engine(InlineSteps(), place, pin(row, definition))
    try:
        outcome = engine.run()
    except StepFailed as failure:
        error = ExecutionError(code="internal_error", message=f"Internal error in step {failure}"[:2_000])
        outcome = Outcome(status=ExecutionStatus.FAILED, error=error)
    finish(row, outcome, engine.journal.records, engine.journal.batch, dict(engine.journal.counts))
