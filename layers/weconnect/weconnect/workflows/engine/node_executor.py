"""Execute one node: its steps, its attempts and the pauses between them."""

import hashlib
import random
from dataclasses import dataclass, replace

from weconnect.durable.steps import Steps
from weconnect.executions.results import ErrorValues
from weconnect.hiding import Hiding
from weconnect.node_sdk.entities import NodeRetry
from weconnect.node_sdk.node_type import LOG, NodeError, NodeRun, NodeType
from weconnect.node_sdk.secret_values import Secrets
from weconnect.workflows.engine.execution_snapshot import ExecutionSnapshot
from weconnect.workflows.engine.fenced_steps import ExecutionEnded, FencedSteps, NodeResult, StepResult
from weconnect.workflows.engine.journal_entries import (
    NodeOutcome,
    build_entry,
    collect_outputs,
    require_node_type,
    to_error,
)
from weconnect.workflows.engine.step_context import StepContext
from weconnect.workflows.executions.journal import Journal
from weconnect.workflows.executions.rows import ExecutionKey


@dataclass(frozen=True)
class NodeExecutor:
    """Executes one node, in an execution that has waited for `suspended_seconds` so far.

    `unwritten` is the journal to write before the node's effect, when that is due; None in parallel branches.
    """

    steps: Steps
    execution_key: ExecutionKey
    snapshot: ExecutionSnapshot
    node_run: NodeRun
    path: str
    suspended_seconds: float
    unwritten: Journal | None = None
    progress: int = 0

    def execute(self, moment: float) -> NodeResult:
        """Execute the node until it succeeds or may not be retried, from `moment` (epoch seconds) on.

        Raises ExecutionEnded with the entries of the attempts until then.
        """
        result = NodeResult([], moment)
        try:
            self._execute_attempts(result)
        except ExecutionEnded as ended:
            ended.entries = result.entries
            raise
        return result

    def create_fenced_steps(self, result: NodeResult) -> FencedSteps:
        """Return the steps of the node, which update `result`."""
        return FencedSteps(
            self.steps,
            self.execution_key,
            self.snapshot,
            self.node_run.node.id,
            self.path,
            self.suspended_seconds,
            self.unwritten,
            self.progress,
            result,
        )

    def create_step_context(self, result: NodeResult, attempt: int, *, suspends: bool) -> StepContext:
        """Return the context of the steps that an attempt of a `flow` node takes."""
        prefix = f"{self.path}~{attempt}/"
        return StepContext(self.create_fenced_steps(result), self.node_run.node.name, prefix, suspends)

    def _execute_attempts(self, result: NodeResult) -> None:
        """Attempt the node until it succeeds or may not be retried; add an entry for each attempt to `result`."""
        retry = self.node_run.node.retry
        kind = require_node_type(self.node_run.node)
        for attempt in range(1, retry.max_attempts + 1):
            key = f"{self.execution_key.execution_id}:{self.path}:{attempt}"
            node_run = replace(self.node_run, key=key)
            if kind.kind == "flow":
                self._execute_flow(kind, node_run, attempt, result)
            else:
                self._execute_effect(kind, node_run, attempt, result)
            error = result.last.get("error")
            if error is None or attempt == retry.max_attempts or not is_retryable(retry, error):
                return
            self.steps.wait(f"{self.path}~{attempt}-pause", compute_retry_delay_seconds(retry, attempt, key))

    def _execute_effect(self, kind: NodeType, node_run: NodeRun, attempt: int, result: NodeResult) -> None:
        """Make one attempt of a node that is a single step."""
        fenced = self.create_fenced_steps(result)

        def run_node() -> StepResult:
            """Run the node with its secrets decrypted, and hide them in the result."""
            secrets = Secrets(node_run.organization_id, node_run.scope.sealed, kind.secret_parameters)
            secrets.add(self.snapshot.callback_token)
            opened = replace(node_run, secrets=secrets)
            with secrets.active():
                taken = fenced.attempt(lambda: StepResult(**collect_outputs(opened, kind.run(opened))))
                lines = secrets.hide_messages(taken.outputs.pop(LOG, []))
                taken.outputs = secrets.hide_values(taken.outputs) | ({LOG: lines} if lines else {})
                taken.error = secrets.hide_messages([taken.error])[0] if taken.error else None
                taken.log = secrets.hide_messages(taken.log)
                return taken

        taken = fenced.step(f"{self.path}~{attempt}", run_node)
        outcome: NodeOutcome = {
            "outputs": taken.outputs,
            "bytes": taken.bytes,
            "error": taken.error,
            "log": taken.log,
        }
        entry = build_entry(node_run, self.path, attempt, outcome, taken.began_at, taken.duration_ms)
        result.entries.append(entry)

    def _execute_flow(self, kind: NodeType, node_run: NodeRun, attempt: int, result: NodeResult) -> None:
        """Make one attempt of a node that takes steps of its own."""
        assert kind.execute, "a flow node executes its own steps"
        began_at = result.ended_at
        context = self.create_step_context(result, attempt, suspends=kind.may_suspend)
        outcome: NodeOutcome = {}
        with Hiding([self.snapshot.callback_token]).active():
            try:
                outcome = collect_outputs(node_run, kind.execute(node_run, context))
            except NodeError as error:
                outcome["error"] = to_error(error)
        if kind.may_suspend:
            result.ended_at = context.fenced.record_moment(f"{self.path}~{attempt}-ended")
            result.suspended_seconds += max(0.0, result.ended_at - began_at)
        duration_ms = int((result.ended_at - began_at) * 1000)
        result.entries.append(build_entry(node_run, self.path, attempt, outcome, began_at, duration_ms))


def is_retryable(retry: NodeRetry, error: ErrorValues) -> bool:
    """Return whether the node is retried after an error: one of the codes in `retry.on`, or any retryable error."""
    return error["code"] in retry.on if retry.on else bool(error.get("retryable"))


def compute_retry_delay_seconds(retry: NodeRetry, attempt: int, key: str) -> int:
    """Return the whole seconds before the next attempt: the same on every replay, other ones in every execution."""
    delay = retry.delay_seconds * (2 ** (attempt - 1) if retry.backoff == "exponential" else 1)
    jitter = random.Random(hashlib.sha256(key.encode()).digest()).uniform(0, 0.25)
    return max(1, min(retry.max_delay_seconds, round(delay * (1 + jitter))))
