"""The tool calls of an execution: approvals are requested first, then all calls of a reply are executed in parallel.

Each call is one step: fence, call, record. Its idempotency key is made of the execution and the step. A call of another
agent is an execution whose steps are steps of this one; a call of a workflow is an execution that this one waits for.
"""

import functools
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, TypeAdapter

from weconnect import clock, fault_injection, json_schema
from weconnect.agents.engine import completion, sub_agents, suspension, usage, workflow_calls
from weconnect.agents.engine.completion import CANCELLED, AgentOutcome
from weconnect.agents.engine.delegated_calls import PendingCall, ToolResult, derive_id
from weconnect.agents.engine.execution_context import (
    ACTOR,
    AgentSnapshot,
    Ended,
    ExecutionContext,
    check_fence,
    record_step,
)
from weconnect.agents.engine.sub_agents import AgentRunner
from weconnect.agents.engine.usage import BudgetShare, Usage
from weconnect.agents.entities import AgentExecutionStep, AgentStepApproval
from weconnect.agents.rows import AgentExecutionRow
from weconnect.agents.tools import invocation
from weconnect.agents.tools import usage as tool_usage
from weconnect.agents.tools.context import ToolContext
from weconnect.agents.tools.errors import ToolError
from weconnect.agents.tools.invocation import PinnedTool
from weconnect.approvals import service as approvals
from weconnect.approvals.entities import Approval, ApprovalStatus, Approvers
from weconnect.base_entity import JsonObject
from weconnect.durable.steps import Steps
from weconnect.models.messages import Message, ToolCall

Branch = Callable[[Steps], ToolResult | Ended]


class Decisions(BaseModel):
    """The decisions about a reply's tool calls, and the seconds that the execution waited for them."""

    type: Literal["decisions"] = "decisions"
    suspended_seconds: float
    decisions: list[Approval]


@dataclass(frozen=True)
class ToolRound:
    """The tool calls of one reply. `number` counts the replies; it makes the steps' names unique."""

    context: ExecutionContext
    snapshot: AgentSnapshot
    number: int
    calls: list[ToolCall]


@dataclass(frozen=True)
class ApprovalRequest:
    """A call of a round, at `position` (from 1), that needs an approval."""

    id: UUID
    position: int
    call: ToolCall
    tool: PinnedTool


def execute_tool_calls(
    steps: Steps,
    context: ExecutionContext,
    snapshot: AgentSnapshot,
    total: Usage,
    calls: list[ToolCall],
    run_agent: AgentRunner,
) -> list[Message] | AgentOutcome:
    """Execute the tool calls of a reply and return the tools' messages, in order, or the execution's outcome.

    Adds to `total` what the calls have used.
    """
    tool_round = ToolRound(context, snapshot, total.requests, calls)
    decisions_by_position = _await_approvals(steps, tool_round, total)
    if isinstance(decisions_by_position, AgentOutcome):
        return decisions_by_position
    tools = [snapshot.find_tool(call.name) for call in calls]
    agent_calls = sum(invocation.is_agent_call(tool) for tool in tools if tool)
    share = usage.split_remaining_budget(snapshot, total, max(1, agent_calls))
    branches = [
        _branch(
            tool_round,
            position,
            next(total.step_numbers),
            decisions_by_position.get(position),
            share,
            run_agent,
        )
        for position in range(1, len(calls) + 1)
    ]
    if len(branches) == 1:
        results = [branches[0](steps)]
    else:
        results = steps.parallel(f"tools-{tool_round.number}", branches, _build_call_adapter())
    return _collect(calls, results, total)


def _collect(
    calls: list[ToolCall], results: list[ToolResult | Ended], total: Usage
) -> list[Message] | AgentOutcome:
    """Add the results of a round's calls to the usage, and return them as messages or the outcome of the first end."""
    messages, suspended_seconds = [], 0.0
    for call, result in zip(calls, results, strict=True):
        if isinstance(result, Ended):
            return result.outcome
        if call.name not in total.tools_used:
            total.tools_used.append(call.name)
        if result.charge:
            total.add_charge(result.charge)
        suspended_seconds = max(suspended_seconds, result.suspended_seconds)
        message = Message(
            role="tool",
            content=result.content,
            tool_call_id=call.id,
            tool_name=call.name,
            is_error=result.is_error,
        )
        messages.append(message)
    total.suspended_seconds += suspended_seconds  # the longest alone: they waited in parallel
    return messages


# Approvals


def _await_approvals(steps: Steps, tool_round: ToolRound, total: Usage) -> dict[int, Approval] | AgentOutcome:
    """Return the decisions by their call's position. No call is executed before all of them are made."""
    context, number = tool_round.context, tool_round.number
    requests = _list_approval_requests(tool_round)
    if not requests:
        return {}
    if not steps.step(f"hold-{number}", lambda: _suspend(tool_round, requests)):
        return CANCELLED

    def wait_for(request: ApprovalRequest) -> Callable[[Steps], Any]:
        """Return the branch that waits for the decision about one request."""
        record_callback = partial(approvals.record_callback, context.organization_id, request.id)
        seconds = request.tool.approval.expires_in_seconds
        return lambda own: own.callback(f"approval-{number}-{request.position}", record_callback, seconds)

    waits = [wait_for(request) for request in requests]
    if len(waits) == 1:
        waits[0](steps)
    else:
        # All in parallel: one that began to wait later would wait beyond its own expiry.
        steps.parallel(f"approvals-{number}", waits, max_concurrency=len(waits))
    resumed = steps.step(f"resume-{number}", lambda: _resume(context, requests), _build_resume_adapter())
    if isinstance(resumed, Ended):
        return resumed.outcome
    total.suspended_seconds += resumed.suspended_seconds
    pairs = zip(requests, resumed.decisions, strict=True)
    return {request.position: decision for request, decision in pairs}


def _list_approval_requests(tool_round: ToolRound) -> list[ApprovalRequest]:
    """Return an approval request for each call of a round that needs one and has valid arguments."""
    requests = []
    for position, call in enumerate(tool_round.calls, start=1):
        tool = tool_round.snapshot.find_tool(call.name)
        if not tool or not tool.requires_approval:
            continue
        if json_schema.find_mismatch(tool.input_schema, call.arguments):
            continue  # it needs no approval, because it cannot be executed: the call fails by itself
        approval_id = derive_id(tool_round.context, f"approval-{tool_round.number}-{position}")
        requests.append(ApprovalRequest(approval_id, position, call, tool))
    return requests


def _suspend(tool_round: ToolRound, requests: list[ApprovalRequest]) -> bool:
    """Create the approval requests and suspend the execution; return False when it is to be cancelled."""
    context = tool_round.context
    row = context.load_row()
    for request in requests:
        approval = _build_approval(tool_round, row, request)
        approvals.request_approval(approval, completion.count_days_left(row), int(row.depth or 0), ACTOR)
    approval_ids = [request.id for request in requests]
    is_suspended = suspension.suspend(row, approval_ids, ACTOR)
    if not is_suspended:
        approvals.withdraw(context.organization_id, approval_ids, ACTOR)
    return is_suspended


def _build_approval(tool_round: ToolRound, row: AgentExecutionRow, request: ApprovalRequest) -> Approval:
    """Return the pending approval of a request; it expires as the tool's rule says."""
    moment, context, rule = clock.now(), tool_round.context, request.tool.approval
    return Approval(
        id=request.id,
        created_at=moment,
        updated_at=moment,
        organization_id=context.organization_id,
        user_id=tool_round.snapshot.user_id,
        agent_id=context.agent_id,
        execution_id=context.execution_id,
        tool_name=request.call.name,
        arguments=request.call.arguments,
        input_schema=request.tool.input_schema,
        approvers=Approvers(users=rule.users, roles=list(rule.roles)),
        expires_at=moment + timedelta(seconds=rule.expires_in_seconds),
        api_key_id=UUID(row.api_key_id) if row.api_key_id else None,
    )


def _resume(context: ExecutionContext, requests: list[ApprovalRequest]) -> Decisions | Ended:
    """Close the approval requests, so that undecided ones expire, and move the execution back to `running`."""
    approval_ids = [request.id for request in requests]
    decisions = approvals.close_and_load(context.organization_id, approval_ids, ACTOR)
    suspension.refresh_updated_at(each.key for each in context.with_ancestors())
    if not suspension.resume(context.load_row(), ACTOR):
        return Ended(outcome=check_fence(context).outcome or CANCELLED)
    requested_at = min(decision.created_at for decision in decisions)
    return Decisions(suspended_seconds=(clock.now() - requested_at).total_seconds(), decisions=decisions)


# Calls


def _branch(
    tool_round: ToolRound,
    position: int,
    step_number: int,
    decision: Approval | None,
    share: BudgetShare,
    run_agent: AgentRunner,
) -> Branch:
    """Return the branch that executes one call of a round."""
    call = tool_round.calls[position - 1]
    tool = tool_round.snapshot.find_tool(call.name)
    arguments = decision.final_arguments() if decision else call.arguments
    step_name = f"tool-{tool_round.number}-{position}"
    is_allowed = decision is None or decision.status == ApprovalStatus.APPROVED
    if tool and is_allowed:
        pending = PendingCall(
            tool_round.context,
            tool_round.snapshot,
            tool,
            arguments,
            step_name,
            step_number,
            _to_step_approval(decision),
        )
        if invocation.is_agent_call(tool):
            return lambda steps: sub_agents.call_agent(steps, pending, share, run_agent)
        if invocation.is_workflow_call(tool):
            return lambda steps: workflow_calls.call_workflow(steps, pending)

    def execute() -> ToolResult | Ended:
        return _execute(tool_round, tool, call.name, arguments, step_name, step_number, decision)

    return lambda steps: steps.step(step_name, execute, _build_call_adapter())


def _execute(
    tool_round: ToolRound,
    tool: PinnedTool | None,
    name: str,
    arguments: JsonObject,
    step_name: str,
    step_number: int,
    decision: Approval | None,
) -> ToolResult | Ended:
    """Execute a call and record its step. Denied or expired calls are not executed; the model is told why."""
    context = tool_round.context
    verdict = check_fence(context)
    if verdict.outcome:
        return Ended(outcome=verdict.outcome)
    started, began = clock.now(), time.monotonic()
    result: Any = None
    failure: str | None = None
    try:
        if tool is None:
            raise ToolError(f"Unknown tool {name!r}")
        if decision and decision.status != ApprovalStatus.APPROVED:
            raise ToolError(_denial(decision))
        call_key = f"{context.execution_id}:{step_name}"
        user_id = tool_round.snapshot.user_id
        tool_context = ToolContext(
            context.organization_id, context.agent_id, user_id, context.execution_id, call_key
        )
        result = invocation.call_tool(tool, arguments, tool_context)
    except ToolError as error:
        failure = str(error)
    fault_injection.kill_point(f"after-effect:{step_name}")
    step = AgentExecutionStep(
        number=step_number,
        type="tool",
        name=name,
        started_at=started,
        duration_ms=int((time.monotonic() - began) * 1000),
        arguments=arguments,
        error=failure,
        approval=_to_step_approval(decision),
    )
    record_step(verdict.row, step, result)
    if tool:
        tool_usage.count_use(context.organization_id, context.agent_id, tool.id)
    content = failure if failure is not None else json.dumps(result, ensure_ascii=False)
    return ToolResult(content=content, is_error=failure is not None)


def _to_step_approval(decision: Approval | None) -> AgentStepApproval | None:
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


def _denial(decision: Approval) -> str:
    """Return the reason why a call is not executed, for the model."""
    if decision.status == ApprovalStatus.EXPIRED:
        return "The call was not executed: nobody approved it in time"
    note = f": {decision.note}" if decision.note else ""
    return f"The call was not executed: it was not approved{note}"


@functools.cache
def _build_call_adapter() -> TypeAdapter[ToolResult | Ended]:
    """Return the type of the result of a step that calls a tool."""
    return TypeAdapter(ToolResult | Ended)


@functools.cache
def _build_resume_adapter() -> TypeAdapter[Decisions | Ended]:
    """Return the type of the result of the step that resumes an execution."""
    return TypeAdapter(Decisions | Ended)
