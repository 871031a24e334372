"""A tool call that asks another agent: an execution of its own, whose steps are steps of the calling execution.

It is listed with its agent's executions and counts in that agent's statistics, but not as an execution of the plan. It
may use its share of the tokens and money that the calling execution has left, and is cancelled together with it.
"""

import functools
import json
from collections.abc import Callable
from uuid import UUID

from pydantic import TypeAdapter

from weconnect import clock, json_schema
from weconnect.agents import service
from weconnect.agents.engine.delegated_calls import (
    PendingCall,
    StartedCall,
    ToolResult,
    record_call,
    resolve_reference,
)
from weconnect.agents.engine.execution_context import (
    AgentResult,
    Ended,
    ExecutionContext,
    check_fence,
)
from weconnect.agents.engine.usage import BudgetShare
from weconnect.agents.rows import AgentExecutionRow
from weconnect.agents.tools.errors import ToolError
from weconnect.agents.tools.invocation import PinnedTool
from weconnect.base_entity import JsonObject
from weconnect.durable.steps import Steps
from weconnect.errors import Problem
from weconnect.executions.requests import StartExecution
from weconnect.executions.start import start

AgentRunner = Callable[[Steps, ExecutionContext, BudgetShare], AgentResult]
"""Runs an execution to its end: `loop.run_agent`, which is passed in because the loop uses this module."""


def call_agent(
    steps: Steps, call: PendingCall, share: BudgetShare, run_agent: AgentRunner
) -> ToolResult | Ended:
    """Execute a call of another agent in three steps: start its execution, run it, record the call."""
    name = call.step_name
    started = steps.step(f"{name}-begin", lambda: _start(call), _build_start_adapter())
    if isinstance(started, Ended):
        return started
    result = AgentResult(status="failed", error=started.error)
    if started.execution_id and started.agent_id:
        context = call.context
        child = ExecutionContext(context.organization_id, started.agent_id, started.execution_id, context)
        (result,) = steps.parallel(f"{name}-run", [lambda own: run_agent(own, child, share)], AgentResult)
    return steps.step(name, lambda: _finish(call, started, result), ToolResult)


def resolve_agent(organization_id: UUID, tool: PinnedTool, arguments: JsonObject) -> UUID:
    """Return the id of the agent that a call is for: the tool's own, or the one that the arguments name.

    Raises ToolError for an unknown name.
    """
    return tool.configuration.agent_id or resolve_reference(
        "agent", arguments, lambda name: service.find_by_name(organization_id, name)
    )


def input_text(arguments: JsonObject) -> str:
    """Return the input for the other agent: the argument `input`, or else all arguments as JSON."""
    text = arguments.get("input")
    return text if isinstance(text, str) and text else json.dumps(arguments, ensure_ascii=False)


def _start(call: PendingCall) -> StartedCall | Ended:
    """Store the called agent's execution, which `call_agent` runs; an error is part of the result."""
    verdict = check_fence(call.context)
    if verdict.completion:
        return Ended(completion=verdict.completion)
    started = clock.now().timestamp()
    try:
        if mismatch := json_schema.find_mismatch(call.tool.input_schema, call.arguments):
            raise ToolError(f"The arguments do not match the schema: {mismatch}")
        execution_id, agent_id = _store(call, verdict.row)
    except (ToolError, Problem) as error:
        return StartedCall(started=started, error=str(error))
    return StartedCall(started=started, execution_id=execution_id, agent_id=agent_id)


def _store(call: PendingCall, row: AgentExecutionRow) -> tuple[UUID, UUID]:
    """Store the called agent's execution and return its id and the agent's. Raises ToolError, Problem. Idempotent."""
    agent_id = resolve_agent(call.context.organization_id, call.tool, call.arguments)
    request = StartExecution.by_parent(row, call.step_name, "agent", agent_id, input_text(call.arguments))
    return UUID(start(request).row.id), agent_id


def _finish(call: PendingCall, started: StartedCall, result: AgentResult) -> ToolResult:
    """Record a call and return the agent's output, or its error, for the model."""
    failure = None if result.is_completed else result.error or "The agent returned no output"
    record_call(call, started, failure, None if failure else {"output": result.output})
    return ToolResult(
        content=failure or result.output or "",
        is_error=failure is not None,
        charge=result.charge if started.execution_id else None,
        suspended_seconds=result.suspended_seconds,
    )


@functools.cache
def _build_start_adapter() -> TypeAdapter[StartedCall | Ended]:
    """Return the type of the result of the step that starts a call."""
    return TypeAdapter(StartedCall | Ended)
