"""What a run of an agent does: load, then model requests and tool calls until there is an answer, then the end.

Each of them is one step: after a crash nothing that was checkpointed is done or paid for again. Before every model
request the run is fenced (was it cancelled?) and its budget is checked; it fails closed.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from weconnect import clock, faults, metrics, payloads, table
from weconnect.agents import executions
from weconnect.agents.entities import OPEN, AgentDefinition, ExecutionStatus, ExecutionStep
from weconnect.agents.memories import service as memories
from weconnect.agents.memories.entities import MemoryConfig
from weconnect.agents.providers import ProviderError, complete, keys
from weconnect.agents.providers.messages import Message, ModelReply, ModelRequest, ModelSettings, ToolCall
from weconnect.agents.rows import AgentVersionRow, ExecutionRow, StepRow
from weconnect.agents.tools import calling
from weconnect.agents.tools import service as tools
from weconnect.agents.tools.calling import Tool
from weconnect.agents.tools.context import ToolContext
from weconnect.agents.tools.errors import ToolError
from weconnect.agents.tools.rows import ToolRow
from weconnect.durable import StepFailed, Steps
from weconnect.errors import Conflict
from weconnect.log import logger

ACTOR = {"system": "run_agent"}
REQUEST_SECONDS = 300.0  # one step must fit into one invocation of the function


@dataclass(frozen=True)
class Run:
    """Which run this is."""

    organization_id: UUID
    agent_id: UUID
    id: UUID

    def row(self) -> ExecutionRow:
        """The run as it stands now."""
        at = ExecutionRow.at(self.organization_id, self.agent_id, self.id)
        return table.need(ExecutionRow, at, "execution")


class Pinned(BaseModel):
    """What a run begins with; it sees no later change of the agent, its tools or its conversation."""

    user_id: UUID
    session_id: str | None
    input: str
    started: float
    definition: AgentDefinition
    tools: list[Tool]
    history: list[Message]


@dataclass
class Spent:
    """Sums over a run's model requests. `micros` is None once a price was not known."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    micros: int | None = 0
    tools: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, reply: ModelReply) -> None:
        self.requests += 1
        self.input_tokens += reply.input_tokens
        self.output_tokens += reply.output_tokens
        known = self.micros is not None and reply.cost_micros is not None
        self.micros = (self.micros or 0) + (reply.cost_micros or 0) if known else None
        self.warnings += [warning for warning in reply.warnings if warning not in self.warnings]


class Outcome(BaseModel):
    """How a run ends."""

    status: ExecutionStatus
    output: str | None = None
    error: str | None = None
    code: str | None = None


def run_agent(steps: Steps, run: Run) -> dict[str, Any]:
    """Carry a run to its end; answers `{"status": …}`."""
    spent = Spent()
    pinned: Pinned | None = None
    try:
        begun = steps.step("load", lambda: _begin(run))
        if begun is None:
            return {"status": "closed"}
        pinned = Pinned.model_validate(begun)
        outcome = _converse(steps, run, pinned, spent)
    except StepFailed as failure:
        outcome = Outcome(
            status=ExecutionStatus.FAILED, error=f"Internal error in step {failure}", code="internal_error"
        )
    if pinned and pinned.session_id and outcome.status == ExecutionStatus.COMPLETED:
        said = {"user": pinned.input, "assistant": outcome.output or ""}
        session = pinned.session_id, pinned.user_id
        steps.step("remember", lambda: _remember(run, *session, said))
    steps.step("finish", lambda: _finish(run, outcome, spent))
    return {"status": str(outcome.status)}


def _begin(run: Run) -> dict[str, Any] | None:
    """Mark the run as running and pin what it works with; None when it has ended already."""
    row = run.row()
    if row.status == ExecutionStatus.PENDING:
        keys_now = ExecutionRow.index_keys(run.organization_id, run.agent_id, run.id, ExecutionStatus.RUNNING)
        values = {"status": ExecutionStatus.RUNNING.value, "started_at": clock.iso(clock.now())} | keys_now
        try:
            row = table.change(row, values, ACTOR)
        except Conflict:
            row = run.row()
    if row.status != ExecutionStatus.RUNNING:
        return None
    execution = executions.entity(row)
    version_at = AgentVersionRow.at(run.organization_id, run.agent_id, execution.agent_version)
    definition: AgentDefinition = table.need(AgentVersionRow, version_at, "agent version").to_entity()
    session_id = execution.metadata.session_id
    pinned = Pinned(
        user_id=execution.user_id,
        session_id=session_id,
        input=execution.input,
        started=clock.now().timestamp(),
        definition=definition,
        tools=[tool for row in tools.active(run.organization_id, run.agent_id) for tool in calling.pin(row)],
        history=_history(run, session_id, definition) if session_id else [],
    )
    return pinned.model_dump(mode="json")


def _history(run: Run, session_id: str, definition: AgentDefinition) -> list[Message]:
    bounds = definition.configuration.memory_config or MemoryConfig()
    said = memories.window(
        run.organization_id, run.agent_id, session_id, bounds.window_size, bounds.max_tokens
    )
    return [
        Message(role="assistant" if speaker == "assistant" else "user", content=content)
        for speaker, content in said
    ]


def _converse(steps: Steps, run: Run, pinned: Pinned, spent: Spent) -> Outcome:
    messages = [*pinned.history, Message(role="user", content=pinned.input)]
    number = 0
    while True:
        number += 1
        request = _ask(run, pinned, spent, list(messages), number)
        told = steps.step(f"model-{spent.requests + 1}", request)
        if told.get("ended"):
            if told.get("billed"):
                spent.add(ModelReply.model_validate(told["billed"]))
            return Outcome.model_validate(told["ended"])
        reply = ModelReply.model_validate(told["reply"])
        spent.add(reply)
        if not reply.tool_calls:
            return Outcome(status=ExecutionStatus.COMPLETED, output=reply.text)
        messages.append(Message(role="assistant", content=reply.text, tool_calls=reply.tool_calls))
        for position, call in enumerate(reply.tool_calls):
            number += 1
            name = f"tool-{spent.requests}-{position + 1}"
            answer = steps.step(name, _use(run, pinned, call, number, name))
            if answer.get("ended"):
                return Outcome.model_validate(answer["ended"])
            if call.name not in spent.tools:
                spent.tools.append(call.name)
            messages.append(
                Message(
                    role="tool",
                    content=answer["content"],
                    tool_call_id=call.id,
                    tool_name=call.name,
                    is_error=answer["is_error"],
                )
            )


def _ask(
    run: Run, pinned: Pinned, spent: Spent, messages: list[Message], number: int
) -> Callable[[], dict[str, Any]]:
    """The step of one model request: fence, budget, request, journal."""
    definition = pinned.definition
    configuration = definition.configuration
    used = Spent(spent.requests, spent.input_tokens, spent.output_tokens, spent.micros)

    def work() -> dict[str, Any]:
        row = run.row()
        if ended := _stopped(row) or _over_budget(pinned, used):
            return {"ended": ended.model_dump(mode="json")}
        left = definition.limits.timeout_seconds - (clock.now().timestamp() - pinned.started)
        request = ModelRequest(
            provider=definition.provider,
            model=definition.model,
            system=configuration.system_prompt or "",
            messages=messages,
            tools=[tool.spec() for tool in pinned.tools],
            settings=ModelSettings.model_validate(
                configuration.model_dump(include=set(ModelSettings.model_fields))
            ),
            base_url=definition.base_url,
            timeout_seconds=min(max(1.0, left), REQUEST_SECONDS),
        )
        started, began = clock.now(), time.monotonic()
        reply, failure = ModelReply(), None
        try:
            reply = complete(request, keys.of_deployment(definition.provider))
        except ProviderError as error:
            failure, reply = error, error.billed or reply
        faults.point(f"after-effect:model-{used.requests + 1}")
        said = {"text": reply.text, "toolCalls": [call.model_dump() for call in reply.tool_calls]}
        step = ExecutionStep(
            number=number,
            type="model",
            name=f"{definition.provider}/{definition.model}",
            started_at=started,
            duration_ms=int((time.monotonic() - began) * 1000),
            error=failure.message if failure else None,
            input_tokens=reply.input_tokens,
            output_tokens=reply.output_tokens,
            cached_tokens=reply.cached_tokens,
            finish_reason=reply.finish_reason,
        )
        _journal(row, step, None if failure else said, reply.cost_micros)
        if failure is None:
            return {"reply": reply.model_dump(mode="json")}
        status = ExecutionStatus.TIMEOUT if failure.code == "timeout" else ExecutionStatus.FAILED
        ended = Outcome(status=status, error=failure.message, code=f"provider_{failure.code}")
        billed = failure.billed.model_dump(mode="json") if failure.billed else None
        return {"ended": ended.model_dump(mode="json"), "billed": billed}

    return work


def _use(run: Run, pinned: Pinned, call: ToolCall, number: int, name: str) -> Callable[[], dict[str, Any]]:
    """The step of one tool call: fence, call, journal. Its idempotency key is the run and the step."""

    def work() -> dict[str, Any]:
        row = run.row()
        if ended := _stopped(row):
            return {"ended": ended.model_dump(mode="json")}
        context = ToolContext(run.organization_id, run.agent_id, pinned.user_id, run.id, f"{run.id}:{name}")
        tool = next((tool for tool in pinned.tools if tool.name == call.name), None)
        started, began = clock.now(), time.monotonic()
        result: Any = None
        failure: str | None = None
        try:
            if tool is None:
                raise ToolError(f"There is no tool {call.name!r}")
            result = calling.call(tool, call.arguments, context)
        except ToolError as error:
            failure = str(error)
        faults.point(f"after-effect:{name}")
        step = ExecutionStep(
            number=number,
            type="tool",
            name=call.name,
            started_at=started,
            duration_ms=int((time.monotonic() - began) * 1000),
            arguments=call.arguments,
            error=failure,
        )
        _journal(row, step, result, None)
        if tool:
            used = ToolRow(*ToolRow.at(run.organization_id, run.agent_id, tool.id))
            table.touch(used, add={"usage_count": 1}, put={"last_used_at": clock.iso(clock.now())})
        content = failure if failure is not None else json.dumps(result, ensure_ascii=False)
        return {"content": content, "is_error": failure is not None}

    return work


def _stopped(row: ExecutionRow) -> Outcome | None:
    """The fence: nothing of a run has an effect once it was asked to stop, or has ended otherwise."""
    if row.cancel_requested_at or row.status not in OPEN:
        return Outcome(status=ExecutionStatus.CANCELLED, error="The run was cancelled", code="cancelled")
    return None


def _over_budget(pinned: Pinned, used: Spent) -> Outcome | None:
    limits = pinned.definition.limits
    if clock.now().timestamp() - pinned.started >= limits.timeout_seconds:
        seconds = f"The run took longer than {limits.timeout_seconds} s"
        return Outcome(status=ExecutionStatus.TIMEOUT, error=seconds, code="timeout")
    over = None
    if used.requests >= limits.max_steps:
        over = f"{limits.max_steps} model requests"
    elif limits.max_tokens is not None and used.input_tokens + used.output_tokens >= limits.max_tokens:
        over = f"{limits.max_tokens} tokens"
    elif limits.max_cost_usd is not None and used.micros is None:
        over = f"{limits.max_cost_usd} USD: the model's price is not known, so the cost cannot be held"
    elif limits.max_cost_usd is not None and (used.micros or 0) >= limits.max_cost_usd * 1e6:
        over = f"{limits.max_cost_usd} USD"
    if over is None:
        return None
    return Outcome(
        status=ExecutionStatus.FAILED, error=f"The budget is used up: {over}", code="budget_exceeded"
    )


def _journal(row: ExecutionRow, step: ExecutionStep, result: Any, micros: int | None) -> None:
    """Write the step's row; a repeated step writes the same row again."""
    organization_id = UUID(row.organization_id)
    pk, sk = StepRow.at(organization_id, UUID(row.id), step.number)
    text = None
    if result is not None:
        name = f"runs/{row.id}/step-{step.number}"
        text = payloads.store(organization_id, name, json.dumps(result), executions.days_left(row))
    values: dict[str, Any] = {"result": text, "cost_micros": micros, "ttl": row.ttl}
    table.put(StepRow.of(step, pk=pk, sk=sk, **values), ACTOR)


def _remember(run: Run, session_id: str, user_id: UUID, said: dict[str, str]) -> None:
    memories.add_turn(run.organization_id, run.agent_id, user_id, session_id, run.id, said)


def _finish(run: Run, outcome: Outcome, spent: Spent) -> bool:
    row = run.row()
    metadata = dict(row.metadata) | {"tools_used": spent.tools, "warnings": spent.warnings}
    totals = {
        "input_tokens": spent.input_tokens,
        "output_tokens": spent.output_tokens,
        "cost_micros": spent.micros,
        "metadata": metadata,
    }
    ended = executions.finish(
        row,
        outcome.status,
        output=outcome.output,
        error=outcome.error,
        error_code=outcome.code,
        totals=totals,
    )
    if ended:
        metrics.run_ended(str(outcome.status), spent.requests, spent.input_tokens + spent.output_tokens)
    logger.info("run ended", execution_id=str(run.id), status=str(outcome.status), recorded=ended)
    return ended
