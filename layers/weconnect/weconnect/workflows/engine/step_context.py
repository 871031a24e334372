"""The steps of a `flow` node: callbacks, approval requests and child executions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from weconnect.approvals.entities import Approvers
from weconnect.db import table
from weconnect.durable.steps import PrefixedSteps
from weconnect.executions import approval_requests, child_calls, lifecycle
from weconnect.executions.approval_requests import NewApproval
from weconnect.executions.lifecycle import ACTOR
from weconnect.executions.results import ExecutionResult
from weconnect.executions.rows import CallbackRow
from weconnect.node_sdk.node_type import ApprovalRequest, ApprovalResult, Items, NodeError
from weconnect.workflows.engine import child_executions
from weconnect.workflows.engine.fenced_steps import FencedSteps, StepResult
from weconnect.workflows.executions.rows import ExecutionKey, WorkflowExecutionRow


@dataclass(frozen=True)
class StepContext:
    """Takes the steps of a `flow` node; implements `node_type.FlowContext`.

    `suspends`: the execution waits while the node runs, so it is not paused, and its own time does not pass.
    """

    fenced: FencedSteps
    node_name: str
    prefix: str
    suspends: bool

    @property
    def execution_key(self) -> ExecutionKey:
        return self.fenced.execution_key

    @property
    def steps(self) -> PrefixedSteps:
        return PrefixedSteps(self.fenced.steps, self.prefix)

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        """Return the JSON value of `work()`. Raises NodeError as `work` does, and ExecutionEnded."""

        def compute_value() -> StepResult:
            return StepResult(value=work())

        if self.suspends:
            taken = self.fenced.step_while_suspended(f"{self.prefix}{name}", compute_value)
        else:
            taken = self.fenced.step(f"{self.prefix}{name}", compute_value, writes_journal=False)
        if error := taken.error:
            raise NodeError(error["code"], error["message"], retryable=bool(error.get("retryable")))
        return taken.value

    def announce_callback(self, callback_id: str) -> None:
        """Store the callback, which the holder of the execution's token may complete. For use within a step."""
        key = self.execution_key
        pk, sk = CallbackRow.at(key.organization_id, key.execution_id, self.fenced.path)
        table.put(CallbackRow(pk=pk, sk=sk, callback_id=callback_id), ACTOR)

    def request_approval(self, request: ApprovalRequest) -> None:
        """Create an approval request, unless the execution may not continue. Idempotent, for use within a step."""
        new = NewApproval(
            path=self.fenced.path,
            tool_name=self.node_name,
            arguments=request.values,
            input_schema={"type": "object"},
            approvers=Approvers(users=request.users, roles=request.roles),
            expires_in_seconds=request.expires_in_seconds,
            message=request.message,
        )
        approval_requests.create(self.execution_key.load(), [new])

    def announce_approval(self, callback_id: str) -> None:
        """Let the decision about the request complete the callback. For use within a step."""
        key = self.execution_key
        approval_requests.announce(key.organization_id, key.execution_id, self.fenced.path, callback_id)

    def load_decision(self) -> ApprovalResult:
        """Return the decision about the request, or that it has expired. For use within a step."""
        key = self.execution_key
        (approval,) = approval_requests.load_decisions(
            key.organization_id, key.execution_id, [self.fenced.path]
        )
        return {
            "approvalId": str(approval.id),
            "status": approval.status.value,
            "arguments": approval.final_arguments(),
            "note": approval.note,
            "decidedBy": str(approval.decided_by) if approval.decided_by else None,
        }

    def store_child(self, workflow_id: UUID, items: Items) -> str:
        """Store an execution of another workflow and return its ID. For use within a step. Raises NodeError."""
        return str(child_executions.store(self.execution_key.load(), self.prefix, workflow_id, items))

    def start_child(self, execution_id: str, callback_id: str) -> None:
        """Start a stored child, whose completion completes the callback. For use within a step."""
        organization_id = self.execution_key.organization_id
        is_cancelled = not self._may_continue()
        child_calls.start_child(organization_id, UUID(execution_id), callback_id, is_cancelled=is_cancelled)

    def load_child_result(self) -> ExecutionResult:
        """Return the current result of the stored child. For use within a step. Raises NodeError."""
        return child_executions.load_result(self.execution_key.load(), self.prefix)

    def _may_continue(self) -> bool:
        """Return whether the execution, as it is stored now, was neither cancelled nor ended."""
        return lifecycle.may_continue(table.get(WorkflowExecutionRow, self.execution_key.row_key))
