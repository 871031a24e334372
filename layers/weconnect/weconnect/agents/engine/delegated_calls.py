"""The tool calls of a reply, and the parts that calls of agents and of workflows share: executions of their own."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel

from weconnect import clock
from weconnect.agents.engine.execution_context import (
    AgentSnapshot,
    Charge,
    ExecutionContext,
    record_step,
)
from weconnect.agents.entities import AgentExecutionStep, AgentStepApproval
from weconnect.agents.tools import usage
from weconnect.agents.tools.errors import ToolError
from weconnect.agents.tools.invocation import PinnedTool
from weconnect.base_entity import JsonObject
from weconnect.models.messages import ToolCall


@dataclass(frozen=True)
class ToolRound:
    """The tool calls of one reply. `number` counts the replies; it makes the steps' names unique."""

    context: ExecutionContext
    snapshot: AgentSnapshot
    number: int
    calls: list[ToolCall]


@dataclass(frozen=True)
class PendingCall:
    """A tool call that is about to be executed, as the step `step_name` with the number `step_number`."""

    context: ExecutionContext
    snapshot: AgentSnapshot
    tool: PinnedTool
    arguments: JsonObject
    step_name: str
    step_number: int
    approval: AgentStepApproval | None


class StartedCall(BaseModel):
    """The execution that a call has started, or the error that kept it from starting; `started` in epoch seconds."""

    type: Literal["started"] = "started"
    started: float
    execution_id: UUID | None = None
    agent_id: UUID | None = None
    error: str | None = None


MAX_CONTENT = 200_000  # characters that the model reads, in this request and in each later one


def _cut(content: str) -> str:
    """Return a result that is not longer than `MAX_CONTENT`, with a note at its end when it was."""
    if len(content) <= MAX_CONTENT:
        return content
    note = f"… (cut: the result has {len(content)} characters)"
    return content[: MAX_CONTENT - len(note)] + note


class ToolResult(BaseModel):
    """The result of a tool call for the model, cut before it is stored.

    `charge` and `suspended_seconds` are those of its own execution.
    """

    type: Literal["result"] = "result"
    content: Annotated[str, AfterValidator(_cut)]
    is_error: bool
    charge: Charge | None = None
    suspended_seconds: float = 0


def record_call(call: PendingCall, started: StartedCall, failure: str | None, result: Any) -> float:
    """Record the step of a finished call and count the use of its tool; return the seconds that it took."""
    seconds = clock.now().timestamp() - started.started
    step = AgentExecutionStep(
        number=call.step_number,
        type="tool",
        name=call.tool.name,
        started_at=datetime.fromtimestamp(started.started, UTC),
        duration_ms=int(seconds * 1000),
        arguments=call.arguments,
        error=failure,
        approval=call.approval,
        execution_id=started.execution_id,
    )
    context = call.context
    record_step(context.load_row(), step, result)
    usage.count_use(context.organization_id, context.agent_id, call.tool.id)
    return seconds


def resolve_reference(noun: str, arguments: JsonObject, find_by_name: Callable[[str], UUID | None]) -> UUID:
    """Return the id that the argument `noun` gives, either as an id or as a name.

    Raises ToolError when nothing has that name.
    """
    reference = str(arguments[noun])
    with suppress(ValueError):
        return UUID(reference)
    match = find_by_name(reference)
    if match is None:
        raise ToolError(f"No {noun} is named {reference!r}")
    return match
