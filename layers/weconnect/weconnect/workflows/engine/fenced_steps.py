"""Steps of one node that have their effect only while the execution may continue."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, cast

from pydantic import GetPydanticSchema
from pydantic_core import core_schema

from weconnect import clock
from weconnect.db import table
from weconnect.durable.steps import Steps
from weconnect.errors import Problem
from weconnect.executions import lifecycle
from weconnect.executions.entities import ExecutionStatus
from weconnect.executions.results import ErrorValues
from weconnect.log import logger
from weconnect.node_sdk.node_type import ItemsByOutput, NodeError
from weconnect.workflows.engine.execution_snapshot import ExecutionSnapshot
from weconnect.workflows.engine.fence import check_fence
from weconnect.workflows.engine.journal_entries import to_error
from weconnect.workflows.executions import journal
from weconnect.workflows.executions.journal import Journal, JournalEntry, LogLine
from weconnect.workflows.executions.rows import ExecutionKey, WorkflowExecutionRow

MAX_PAUSE_SECONDS = 30 * 86_400
MAX_PAUSES = 1_000

UNCHECKED = GetPydanticSchema(lambda source, handler: core_schema.any_schema())
"""Marks JSON that we wrote ourselves: validating it again when a step is read takes longer than the step."""


class ExecutionEnded(Exception):
    """The execution ends here, as its fence has found. `entries`: the attempts of the nodes that were executing."""

    def __init__(self, status: ExecutionStatus, entries: list[JournalEntry] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.entries = entries or []


@dataclass
class StepResult:
    """The result of a fenced step: outputs of a node and their size, a `value`, or an error; times in epoch seconds.

    `end_status` and `is_paused` are the fence's verdict: then the step had no effect.
    """

    began_at: float = 0.0
    ended_at: float = 0.0
    duration_ms: int = 0
    outputs: Annotated[ItemsByOutput, UNCHECKED] = field(default_factory=dict)
    bytes: int = 0
    value: Any = None
    error: Annotated[ErrorValues | None, UNCHECKED] = None
    log: Annotated[list[LogLine], UNCHECKED] = field(default_factory=list)
    end_status: ExecutionStatus | None = None
    is_paused: bool = False
    wrote_journal: bool = False


@dataclass
class NodeResult:
    """The result of a node, as parallel branches return it: an entry for each attempt, of which the last one counts.

    `suspended_seconds` are those in which the node waited. `end_status` is set when the execution ends in the node.
    """

    entries: Annotated[list[JournalEntry], UNCHECKED]
    ended_at: float
    suspended_seconds: float = 0
    wrote_journal: bool = False
    end_status: ExecutionStatus | None = None

    @property
    def last(self) -> JournalEntry:
        return self.entries[-1]


@dataclass
class _Moment:
    """The result of a step that reads the clock, in epoch seconds."""

    at: float


@dataclass(frozen=True)
class FencedSteps:
    """Takes the steps of one node, and updates the node's `result`.

    `unwritten` is the journal to write before the node's effect, when that is due; None in parallel branches.
    """

    steps: Steps
    execution_key: ExecutionKey
    snapshot: ExecutionSnapshot
    node_id: str
    path: str
    suspended_seconds: float
    unwritten: Journal | None
    progress: int
    result: NodeResult

    def step(self, name: str, work: Callable[[], StepResult], *, writes_journal: bool = True) -> StepResult:
        """Take a step that has its effect only while the execution may continue. Raises ExecutionEnded.

        An execution that is to pause waits here, and the step is taken again under another name.
        """
        for attempt in range(MAX_PAUSES):
            step_name = name if attempt == 0 else f"{name}-again-{attempt}"
            taken = self.steps.step(step_name, lambda: self._attempt_fenced(work, writes_journal), StepResult)
            if taken.end_status:
                raise ExecutionEnded(taken.end_status)
            if not taken.is_paused:
                self.result.ended_at = taken.ended_at
                self.result.wrote_journal = self.result.wrote_journal or taken.wrote_journal
                return taken
            self._pause(f"{step_name}-paused", taken.ended_at)
        raise ExecutionEnded(ExecutionStatus.CANCELLED)

    def step_while_suspended(self, name: str, work: Callable[[], StepResult]) -> StepResult:
        """Take a step of an execution that waits: it is not paused, and its time limit is not checked.

        Raises ExecutionEnded when it was cancelled.
        """

        def attempt_unless_cancelled() -> StepResult:
            """Attempt `work`, unless the execution was cancelled."""
            if not lifecycle.may_continue(table.get(WorkflowExecutionRow, self.execution_key.row_key)):
                return StepResult(end_status=ExecutionStatus.CANCELLED)
            return self.attempt(work)

        taken = self.steps.step(name, attempt_unless_cancelled, StepResult)
        if taken.end_status:
            raise ExecutionEnded(taken.end_status)
        return taken

    def record_moment(self, name: str) -> float:
        """Return the time (epoch seconds) at which the step was taken first."""
        return self.steps.step(name, lambda: _Moment(clock.now().timestamp()), _Moment).at

    def attempt(self, work: Callable[[], StepResult]) -> StepResult:
        """Return the result of `work`; an error that it raises becomes `result.error`, so that the step succeeds."""
        try:
            return work()
        except NodeError as error:
            return StepResult(error=to_error(error), log=cast(list[LogLine], error.log))
        except Problem as problem:
            retryable = problem.status >= 500
            return StepResult(error=to_error(NodeError(problem.code, problem.detail, retryable=retryable)))
        except Exception as error:
            logger.exception("node failed", execution_id=str(self.execution_key.execution_id), path=self.path)
            return StepResult(error=to_error(NodeError("internal_error", type(error).__name__)))

    def _attempt_fenced(self, work: Callable[[], StepResult], writes_journal: bool) -> StepResult:
        """Return the result of `work`, executed after a check of the fence and, when due, a write of the journal."""
        began_at = clock.now().timestamp()
        suspended_seconds = self.suspended_seconds + self.result.suspended_seconds
        if verdict := check_fence(self.execution_key, self.snapshot, suspended_seconds):
            return StepResult(ended_at=began_at, end_status=verdict.end_status, is_paused=verdict.is_paused)
        writes_now = writes_journal and not self.result.wrote_journal and self._is_journal_due(began_at)
        if writes_now and self.unwritten:
            entries, batch = self.unwritten.entries, self.unwritten.batch
            journal.write(self.execution_key.load(), entries, batch, [self.node_id], self.progress)
        clocked = time.monotonic()
        taken = self.attempt(work)
        taken.duration_ms = int((time.monotonic() - clocked) * 1000)
        taken.began_at, taken.ended_at = began_at, clock.now().timestamp()
        taken.wrote_journal = writes_now
        return taken

    def _is_journal_due(self, now: float) -> bool:
        """Return whether the journal's unwritten entries are due at a time (epoch seconds); never in a branch."""
        return self.unwritten is not None and self.unwritten.is_due(now)

    def _pause(self, name: str, since: float) -> None:
        """Wait until the paused execution is resumed, or may pause no longer; `since` is in epoch seconds."""
        value = self.steps.callback(
            name,
            lambda callback_id: lifecycle.pause(
                self.execution_key.load(), self.path, callback_id, is_branch=self.unwritten is None
            ),
            MAX_PAUSE_SECONDS,
        )
        resumed = self.steps.step(f"{name}-over", lambda: self._resume(is_over=value is None), _Moment)
        self.result.suspended_seconds += max(0.0, resumed.at - since)

    def _resume(self, *, is_over: bool) -> _Moment:
        """Resume the execution and return the time; `is_over`: nobody resumed it within the longest pause."""
        values = {"pause_requested_at": None} if is_over else {}
        lifecycle.resume_paused(self.execution_key.load(), **values)
        return _Moment(clock.now().timestamp())
