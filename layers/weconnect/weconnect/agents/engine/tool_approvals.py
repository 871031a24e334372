"""The approvals of a reply's tool calls: the execution waits for all of them before any call is executed."""

import functools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, TypeAdapter

from weconnect import clock, json_schema
from weconnect.agents.engine.delegated_calls import ToolRound
from weconnect.agents.engine.execution_context import Ended, ExecutionContext, check_fence
from weconnect.agents.engine.usage import Usage
from weconnect.agents.entities import AgentStepApproval
from weconnect.agents.tools.invocation import PinnedTool
from weconnect.approvals.entities import Approval, ApprovalStatus, Approvers
from weconnect.durable.steps import Steps
from weconnect.executions import approval_requests, lifecycle
from weconnect.executions.approval_requests import NewApproval, derive_approval_id
from weconnect.executions.results import Completion


class Decisions(BaseModel):
    """The decisions about a reply's tool calls, and the seconds that the execution waited for them."""

    type: Literal["decisions"] = "decisions"
    suspended_seconds: float
    decisions: list[Approval]


def await_approvals(steps: Steps, tool_round: ToolRound, total: Usage) -> dict[int, Approval] | Completion:
    """Return the decisions by their call's position, or the completion of an execution that ends meanwhile.

    Adds to `total` the time that the execution waited.
    """
    context, number = tool_round.context, tool_round.number
    tools_by_position = _find_tools_to_approve(tool_round)
    if not tools_by_position:
        return {}
    if not steps.step(f"hold-{number}", lambda: _suspend(tool_round, tools_by_position)):
        return Completion.cancelled()

    def wait_for(position: int, tool: PinnedTool) -> Callable[[Steps], Any]:
        """Return the branch that waits for the decision about one call."""
        path, seconds = _path_of(tool_round, position), tool.approval.expires_in_seconds
        announce = partial(approval_requests.announce, context.organization_id, context.execution_id, path)
        return lambda own: own.callback(f"approval-{number}-{position}", announce, seconds)

    waits = [wait_for(position, tool) for position, tool in tools_by_position.items()]
    if len(waits) == 1:
        waits[0](steps)
    else:
        # All in parallel: one that began to wait later would wait beyond its own expiry.
        steps.parallel(f"approvals-{number}", waits, max_concurrency=len(waits))
    paths = [_path_of(tool_round, position) for position in tools_by_position]
    resumed = steps.step(f"resume-{number}", lambda: _resume(context, paths), _build_resume_adapter())
    if isinstance(resumed, Ended):
        return resumed.completion
    total.suspended_seconds += resumed.suspended_seconds
    return dict(zip(tools_by_position, resumed.decisions, strict=True))


def to_step_approval(decision: Approval | None) -> AgentStepApproval | None:
    """Return a decision as the execution's step shows it."""
    if decision is None:
        return None
    values = {
        "approval_id": decision.id,
        "decision": decision.status,
        "edited": decision.edited_arguments is not None,
        "decided_by": decision.decided_by,
        "decided_at": decision.decided_at,
        "note": decision.note,
    }
    return AgentStepApproval.model_validate(values, by_name=True)


def describe_denial(decision: Approval) -> str:
    """Return the reason why a call is not executed, for the model."""
    if decision.status == ApprovalStatus.EXPIRED:
        return "The call was not executed: nobody approved it in time"
    note = f": {decision.note}" if decision.note else ""
    return f"The call was not executed: it was not approved{note}"


def _path_of(tool_round: ToolRound, position: int) -> str:
    """Return the path of the approval request for a call within its execution."""
    return f"{tool_round.number}-{position}"


def _find_tools_to_approve(tool_round: ToolRound) -> dict[int, PinnedTool]:
    """Return the tools of the calls that need an approval, by their position; only of calls with valid arguments."""
    tools_by_position = {}
    for position, call in enumerate(tool_round.calls, start=1):
        tool = tool_round.snapshot.find_tool(call.name)
        if not tool or not tool.requires_approval:
            continue
        if json_schema.find_mismatch(tool.input_schema, call.arguments):
            continue  # it needs no approval, because it cannot be executed: the call fails by itself
        tools_by_position[position] = tool
    return tools_by_position


def _suspend(tool_round: ToolRound, tools_by_position: dict[int, PinnedTool]) -> bool:
    """Create the approval requests and suspend the execution; return False when it is to be cancelled."""
    row = tool_round.context.load_row()
    requests = [_build_request(tool_round, position, tool) for position, tool in tools_by_position.items()]
    waiting_for = [str(derive_approval_id(UUID(row.id), request.path)) for request in requests]
    # The requests come first: whoever sees the execution wait can decide them.
    if not approval_requests.create(row, requests):
        return False
    is_suspended = lifecycle.suspend(row, waiting_for=waiting_for)
    if not is_suspended:
        approval_requests.withdraw(row, requests)
    return is_suspended


def _build_request(tool_round: ToolRound, position: int, tool: PinnedTool) -> NewApproval:
    """Return the approval request for a call, as the tool's rule says."""
    call, rule = tool_round.calls[position - 1], tool.approval
    return NewApproval(
        path=_path_of(tool_round, position),
        tool_name=call.name,
        arguments=call.arguments,
        input_schema=tool.input_schema,
        approvers=Approvers(users=rule.users, roles=list(rule.roles)),
        expires_in_seconds=rule.expires_in_seconds,
    )


def _resume(context: ExecutionContext, paths: Sequence[str]) -> Decisions | Ended:
    """Close the approval requests, so that undecided ones expire, and set the execution to running again."""
    decisions = approval_requests.load_decisions(context.organization_id, context.execution_id, paths)
    if not lifecycle.resume(context.load_row(), waiting_for=None):
        return Ended(completion=check_fence(context).completion or Completion.cancelled())
    requested_at = min(decision.created_at for decision in decisions)
    return Decisions(suspended_seconds=(clock.now() - requested_at).total_seconds(), decisions=decisions)


@functools.cache
def _build_resume_adapter() -> TypeAdapter[Decisions | Ended]:
    """Return the type of the result of the step that resumes an execution."""
    return TypeAdapter(Decisions | Ended)
