"""The tool calls of an execution: approvals are requested first, then all calls of a reply are executed in parallel.

Each call is one step: fence, call, record. Its idempotency key is made of the execution and the step. A call of another
agent is an execution whose steps are steps of this one; a call of a workflow is an execution that this one waits for.
"""

import functools
import json
import time
from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter

from weconnect import clock, fault_injection
from weconnect.agents.engine import sub_agents, usage, workflow_calls
from weconnect.agents.engine.delegated_calls import PendingCall, ToolResult, ToolRound
from weconnect.agents.engine.execution_context import (
    AgentSnapshot,
    Ended,
    ExecutionContext,
    check_fence,
    record_step,
)
from weconnect.agents.engine.sub_agents import AgentRunner
from weconnect.agents.engine.tool_approvals import await_approvals, describe_denial, to_step_approval
from weconnect.agents.engine.usage import BudgetShare, Usage
from weconnect.agents.entities import AgentExecutionStep
from weconnect.agents.tools import invocation
from weconnect.agents.tools import usage as tool_usage
from weconnect.agents.tools.context import ToolContext
from weconnect.agents.tools.errors import ToolError
from weconnect.agents.tools.invocation import PinnedTool
from weconnect.approvals.entities import Approval, ApprovalStatus
from weconnect.base_entity import JsonObject
from weconnect.durable.steps import Steps
from weconnect.executions.results import Completion
from weconnect.models.messages import Message, ToolCall

Branch = Callable[[Steps], ToolResult | Ended]


def execute_tool_calls(
    steps: Steps,
    context: ExecutionContext,
    snapshot: AgentSnapshot,
    total: Usage,
    calls: list[ToolCall],
    run_agent: AgentRunner,
) -> list[Message] | Completion:
    """Execute the tool calls of a reply and return the tools' messages, in order, or the execution's completion.

    Adds to `total` what the calls have used.
    """
    tool_round = ToolRound(context, snapshot, total.requests, calls)
    decisions_by_position = await_approvals(steps, tool_round, total)
    if isinstance(decisions_by_position, Completion):
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
    starts_executions = agent_calls > 0 or any(invocation.is_workflow_call(tool) for tool in tools if tool)
    in_sequence = len(branches) == 1 or (starts_executions and not snapshot.starts_in_parallel)
    results = (
        [branch(steps) for branch in branches]
        if in_sequence
        else steps.parallel(f"tools-{tool_round.number}", branches, _build_call_adapter())
    )
    return _collect(calls, results, total, in_sequence=in_sequence)


def _collect(
    calls: list[ToolCall], results: list[ToolResult | Ended], total: Usage, *, in_sequence: bool
) -> list[Message] | Completion:
    """Add a round's results to the usage; return them as messages, or the completion of the first call that ended."""
    messages, suspended_seconds = [], [0.0]
    for call, result in zip(calls, results, strict=True):
        if isinstance(result, Ended):
            return result.completion
        if call.name not in total.tools_used:
            total.tools_used.append(call.name)
        if result.charge:
            total.add_charge(result.charge)
        suspended_seconds.append(result.suspended_seconds)
        message = Message(
            role="tool",
            content=result.content,
            tool_call_id=call.id,
            tool_name=call.name,
            is_error=result.is_error,
        )
        messages.append(message)
    # Of those that waited in parallel, the longest alone.
    total.suspended_seconds += sum(suspended_seconds) if in_sequence else max(suspended_seconds)
    return messages


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
            to_step_approval(decision),
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
    if verdict.completion:
        return Ended(completion=verdict.completion)
    started, began = clock.now(), time.monotonic()
    result: Any = None
    failure: str | None = None
    try:
        if tool is None:
            raise ToolError(f"Unknown tool {name!r}")
        if decision and decision.status != ApprovalStatus.APPROVED:
            raise ToolError(describe_denial(decision))
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
        approval=to_step_approval(decision),
    )
    record_step(verdict.row, step, result)
    if tool:
        tool_usage.count_use(context.organization_id, context.agent_id, tool.id)
    content = failure if failure is not None else json.dumps(result, ensure_ascii=False)
    return ToolResult(content=content, is_error=failure is not None)


@functools.cache
def _build_call_adapter() -> TypeAdapter[ToolResult | Ended]:
    """Return the type of the result of a step that calls a tool."""
    return TypeAdapter(ToolResult | Ended)
