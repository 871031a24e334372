"""A tool call that asks another agent: a run of its own, whose steps are steps of the run that called it.

It is shown among its agent's runs and counted in that agent's numbers, but not as an execution of the plan. It has no
more tokens and money than its share of what the calling run has left, and stops when that run is to stop.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from weconnect import clock, ids, json_schema
from weconnect.agents import service as agents
from weconnect.agents.engine import executions
from weconnect.agents.engine.run_context import ACTOR, Pinned, Run, fence, journal
from weconnect.agents.entities import (
    AIAgentExecution,
    ExecutionStatus,
    ExecutionStep,
    NewExecution,
    StepApproval,
)
from weconnect.agents.tools import service as tools
from weconnect.agents.tools.errors import ToolError
from weconnect.agents.tools.invocation import Tool
from weconnect.api.caller import Caller
from weconnect.durable import Steps
from weconnect.errors import Problem

WAIT_SECONDS = 20  # a route has 29


def call(
    steps: Steps,
    run: Run,
    pinned: Pinned,
    tool: Tool,
    arguments: dict[str, Any],
    name: str,
    number: int,
    approval: StepApproval | None,
    share: tuple[int | None, int | None],
) -> dict[str, Any]:
    """The asked agent's answer as `{"content", "is_error", "billed", "waited"}`, or `{"ended"}` when this run ends."""
    began: dict[str, Any] = steps.step(f"{name}-begin", lambda: _begin(run, pinned, tool, arguments, name))
    if "ended" in began:
        return began
    told: dict[str, Any] = {"error": began.get("error")}
    if asked := began.get("run"):
        from weconnect.agents.engine.loop import run_agent  # which calls us

        child = Run(run.organization_id, UUID(asked["agent_id"]), UUID(asked["id"]), run)
        (told,) = steps.parallel(f"{name}-run", [lambda own: run_agent(own, child, share)])
    ended = {"told": told, "asked": asked, "started": began["started"]}
    answer: dict[str, Any] = steps.step(name, lambda: _end(run, tool, arguments, number, approval, **ended))
    return answer


def ask_alone(caller: Caller, tool: Tool, arguments: dict[str, Any]) -> dict[str, Any]:
    """`{"output"}` of the asked agent outside of any run, by a run that is waited for; raises ToolError."""
    if error := json_schema.mismatch(tool.input_schema, arguments):
        raise ToolError(f"The arguments do not fit: {error}")
    agent_id = asked_agent(caller.organization_id, tool, arguments)
    started = executions.start(caller, agent_id, NewExecution(input=question(arguments)))
    ended = executions.wait(caller, started, WAIT_SECONDS)
    if ended.status != ExecutionStatus.COMPLETED:
        raise ToolError(ended.error or f"The agent's run {ended.id} is {ended.status}")
    return {"output": ended.output}


def derived_id(run: Run, place: str) -> UUID:
    """The id of what a run makes at a place: the same at each try."""
    return ids.derived_from(run.id, place)


def _begin(run: Run, pinned: Pinned, tool: Tool, arguments: dict[str, Any], name: str) -> dict[str, Any]:
    row, ended = fence(run)
    if ended:
        return ended.ended()
    started = clock.now().timestamp()
    try:
        if error := json_schema.mismatch(tool.input_schema, arguments):
            raise ToolError(f"The arguments do not fit: {error}")
        execution = _store(run, row, pinned, tool, arguments, name)
    except (ToolError, Problem) as error:
        return {"error": str(error), "started": started}
    return {"run": {"id": str(execution.id), "agent_id": str(execution.agent_id)}, "started": started}


def _store(
    run: Run, row: Any, pinned: Pinned, tool: Tool, arguments: dict[str, Any], name: str
) -> AIAgentExecution:
    agent_id = asked_agent(run.organization_id, tool, arguments)
    return executions.store_nested(
        row,
        agent_id,
        question(arguments),
        derived_id(run, name),
        pinned.user_id,
        ACTOR,
    )


def _end(
    run: Run,
    tool: Tool,
    arguments: dict[str, Any],
    number: int,
    approval: StepApproval | None,
    *,
    told: dict[str, Any],
    asked: dict[str, Any] | None,
    started: float,
) -> dict[str, Any]:
    failure = None if told.get("status") == "completed" else told.get("error") or "The agent gave no answer"
    result = None if failure else {"output": told.get("output")}
    child = UUID(asked["id"]) if asked else None
    note(run, tool, arguments, number, approval, started, failure, result, child)
    answer = {"content": failure or told.get("output") or "", "is_error": failure is not None}
    return answer | {"billed": told.get("billed"), "waited": told.get("waited", 0)}


def note(
    run: Run,
    tool: Tool,
    arguments: dict[str, Any],
    number: int,
    approval: StepApproval | None,
    started: float,
    failure: str | None,
    result: Any,
    execution_id: UUID | None,
) -> float:
    """Write the step of a call that was a run of its own; answers how many seconds it took."""
    seconds = clock.now().timestamp() - started
    step = ExecutionStep(
        number=number,
        type="tool",
        name=tool.name,
        started_at=datetime.fromtimestamp(started, UTC),
        duration_ms=int(seconds * 1000),
        arguments=arguments,
        error=failure,
        approval=approval,
        execution_id=execution_id,
    )
    journal(run.row(), step, result)
    tools.note_use(run.organization_id, run.agent_id, tool.id)
    return seconds


def asked_agent(organization_id: UUID, tool: Tool, arguments: dict[str, Any]) -> UUID:
    """The agent that a call is for: the tool's own, or the one that the arguments name; raises ToolError."""
    own = tool.configuration.agent_id
    return own or identified("agent", arguments, lambda name: agents.named(organization_id, name))


def identified(what: str, arguments: dict[str, Any], named: Callable[[str], UUID | None]) -> UUID:
    """What the argument `what` tells by its id or its name; raises ToolError when there is none of that name."""
    wanted = str(arguments[what])
    with suppress(ValueError):
        return UUID(wanted)
    if (found := named(wanted)) is None:
        raise ToolError(f"There is no {what} {wanted!r}")
    return found


def question(arguments: dict[str, Any]) -> str:
    """What the other agent is told: the argument `input`, else all arguments as JSON."""
    said = arguments.get("input")
    return said if isinstance(said, str) and said else json.dumps(arguments, ensure_ascii=False)
