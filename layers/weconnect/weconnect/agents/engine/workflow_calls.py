"""A tool call that executes a workflow: an execution of its own, whose completion resumes the calling execution.

It is listed with its workflow's executions and counts towards no plan. The user who started the calling execution needs
the permission to execute workflows. The time spent waiting for it is not the calling execution's own.
"""

import functools
import json
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from weconnect import clock, json_schema
from weconnect.agents.engine.delegated_calls import (
    PendingCall,
    StartedCall,
    ToolResult,
    record_call,
    resolve_reference,
)
from weconnect.agents.engine.execution_context import Ended, check_fence
from weconnect.agents.tools.errors import ToolError
from weconnect.agents.tools.invocation import PinnedTool
from weconnect.agents.tools.workflow_offers import get_offers
from weconnect.base_entity import JsonObject
from weconnect.durable.steps import Steps
from weconnect.errors import Problem
from weconnect.executions import child_calls
from weconnect.executions.entities import OPEN_STATUSES, ExecutionStatus
from weconnect.executions.errors import ExecutionNotFound
from weconnect.executions.requests import StartExecution
from weconnect.executions.start import start

DEFAULT_TIMEOUT_SECONDS = 3_600


def call_workflow(steps: Steps, call: PendingCall) -> ToolResult | Ended:
    """Execute a call of a workflow: start its execution, wait until it completes, record the call."""
    name = call.step_name
    started = steps.step(f"{name}-begin", lambda: _start(call), _build_start_adapter())
    if isinstance(started, Ended):
        return started
    if child_id := started.execution_id:

        def announce(callback_id: str) -> None:
            """Start the workflow's execution, whose end completes the callback; cancel it if this one is to end."""
            is_cancelled = check_fence(call.context).completion is not None
            organization_id = call.context.organization_id
            child_calls.start_child(organization_id, child_id, callback_id, is_cancelled=is_cancelled)

        steps.callback(f"{name}-run", announce, timeout_seconds(call.tool))
    return steps.step(name, lambda: _finish(call, started), ToolResult)


def resolve_workflow(organization_id: UUID, tool: PinnedTool, arguments: JsonObject) -> UUID:
    """Return the id of the workflow that a call is for: the tool's own, or the one that the arguments name.

    Raises ToolError for an unknown name.
    """
    return tool.configuration.workflow_id or resolve_reference(
        "workflow", arguments, lambda name: get_offers().find_by_name(organization_id, name)
    )


def workflow_input(tool: PinnedTool, arguments: JsonObject) -> Any:
    """Return the workflow's input: all arguments of a tool that is one workflow, or else the argument `input`."""
    return arguments if tool.configuration.workflow_id else arguments.get("input", {})


def checked_output(tool: PinnedTool, output: Any) -> Any:
    """Return the workflow's output. Raises ToolError when it does not match the tool's schema."""
    if tool.output_schema is not None and (mismatch := json_schema.find_mismatch(tool.output_schema, output)):
        raise ToolError(f"The result does not match the schema: {mismatch}")
    return output


def timeout_seconds(tool: PinnedTool) -> int:
    """Return how long a call waits for its execution."""
    return tool.configuration.timeout or DEFAULT_TIMEOUT_SECONDS


def _start(call: PendingCall) -> StartedCall | Ended:
    """Store the called workflow's execution; an error of the call is part of the result."""
    verdict = check_fence(call.context)
    if verdict.completion:
        return Ended(completion=verdict.completion)
    started = clock.now().timestamp()
    tool, arguments = call.tool, call.arguments
    try:
        if mismatch := json_schema.find_mismatch(tool.input_schema, arguments):
            raise ToolError(f"The arguments do not match the schema: {mismatch}")
        if not call.snapshot.may_run_workflows:
            raise ToolError(
                "The user who started this execution may not run workflows: it needs workflows:execute"
            )
        workflow_id = resolve_workflow(call.context.organization_id, tool, arguments)
        value = workflow_input(tool, arguments)
        child = start(
            StartExecution.by_parent(verdict.row, call.step_name, "workflow", workflow_id, value)
        ).row
    except ToolError as error:
        return StartedCall(started=started, error=str(error))
    except Problem as problem:
        if problem.status >= 500:
            raise
        return StartedCall(started=started, error=f"{problem.code}: {problem.detail}")
    return StartedCall(started=started, execution_id=UUID(child.id))


def _finish(call: PendingCall, started: StartedCall) -> ToolResult:
    """Record a call and return the workflow's output as JSON text, or its error, for the model."""
    failure, result = started.error, None
    if started.execution_id:
        try:
            result = checked_output(call.tool, _load_output(call))
        except ToolError as error:
            failure = str(error)
    seconds = record_call(call, started, failure, result)
    return ToolResult(
        content=json.dumps(result, ensure_ascii=False) if failure is None else failure,
        is_error=failure is not None,
        suspended_seconds=seconds if started.execution_id else 0,
    )


def _load_output(call: PendingCall) -> Any:
    """Return the output of the workflow's execution. Raises ToolError when it has not completed."""
    try:
        result = child_calls.load_child_result(call.context.load_row(), call.step_name)
    except ExecutionNotFound as problem:
        raise ToolError("The child execution was deleted or has expired") from problem
    if result["status"] in OPEN_STATUSES:
        raise ToolError(f"Its execution took longer than {timeout_seconds(call.tool)} s and was cancelled")
    if result["status"] != ExecutionStatus.COMPLETED:
        error = result["error"]
        code = error["code"] if error else result["status"]
        message = error["message"] if error else f"The execution is {result['status']}"
        raise ToolError(f"{code}: {message}")
    return result["output"]


@functools.cache
def _build_start_adapter() -> TypeAdapter[StartedCall | Ended]:
    """Return the type of the result of the step that starts a call."""
    return TypeAdapter(StartedCall | Ended)
