"""What a run of an agent does: load, then model requests and tool calls until there is an answer, then the end.

Each of them is one step: after a crash nothing that was checkpointed is done or paid for again. Before every model
request the run is fenced (was it cancelled?) and its budgets are checked; it fails closed.
"""

import re
from functools import partial
from typing import Any

from weconnect import clock, json_schema, metrics
from weconnect.agents import versions
from weconnect.agents.engine import executions
from weconnect.agents.engine.model_requests import ask
from weconnect.agents.engine.recall import leaves_something, recall, remember
from weconnect.agents.engine.run_context import ACTOR, Outcome, Pinned, Run, Spent
from weconnect.agents.engine.tool_calls import act
from weconnect.agents.entities import AgentDefinition, ExecutionStatus
from weconnect.agents.models.messages import Message, ModelReply
from weconnect.agents.tools.invocation import Tool
from weconnect.api import request_body
from weconnect.db import table
from weconnect.durable import StepFailed, Steps
from weconnect.errors import BadRequest, Conflict
from weconnect.log import logger
from weconnect.organizations.entities import AgentSettings, Organization
from weconnect.organizations.rows import OrganizationRow

CORRECTIONS = 2  # how often a model is told that its answer does not fit the schema

NO_SHARE: tuple[int | None, int | None] = (None, None)


def run_agent(steps: Steps, run: Run, share: tuple[int | None, int | None] = NO_SHARE) -> dict[str, Any]:
    """Carry a run to its end; answers `{"status", "output", "error", "billed", "waited"}`.

    `share` are the tokens and the USD * 10^6 that a calling run has left for it. `billed` are input tokens, output
    tokens and USD * 10^6, `waited` the seconds in which somebody was asked.
    """
    spent = Spent()
    pinned: Pinned | None = None
    try:
        begun = steps.step("load", lambda: _begin(run, share))
        if begun is None:
            return {"status": "closed"}
        pinned = Pinned.model_validate(begun)
        outcome = _converse(steps, run, pinned, spent)
    except StepFailed as failure:
        outcome = Outcome(
            status=ExecutionStatus.FAILED, error=f"Internal error in step {failure}", code="internal_error"
        )
    if pinned and leaves_something(pinned, outcome):
        steps.step("remember", partial(remember, run, pinned, outcome, spent))
    steps.step("finish", lambda: _finish(run, outcome, spent))
    billed = [spent.input_tokens, spent.output_tokens, spent.micros]
    told = {"output": outcome.output, "error": outcome.error, "billed": billed, "waited": spent.waited}
    return {"status": str(outcome.status), **told}


def _begin(run: Run, share: tuple[int | None, int | None]) -> dict[str, Any] | None:
    """Mark the run as running and pin what it works with; None when it has ended already."""
    row = run.row()
    if row.status == ExecutionStatus.PENDING:
        values = {"status": ExecutionStatus.RUNNING.value, "started_at": clock.iso(clock.now())}
        values |= row.index_keys(ExecutionStatus.RUNNING)
        try:
            row = table.change(row, values, ACTOR)
        except Conflict:
            row = run.row()
    if row.status != ExecutionStatus.RUNNING:
        return None
    execution = executions.entity(row)
    version = versions.need(run.organization_id, run.agent_id, execution.agent_version)
    definition: AgentDefinition = version.to_entity()
    tools = [Tool.model_validate(tool) for tool in versions.tools_of(run.organization_id, version)]
    allowed = _settings(run)
    pinned = Pinned(
        user_id=execution.user_id,
        session_id=execution.metadata.session_id,
        input=execution.input,
        started=clock.now().timestamp(),
        may_run_workflows=bool(row.may_run_workflows),
        definition=definition,
        tools=[tool for tool in tools if tool.is_active],
        recalled="",
        history=[],
        most_tokens=share[0],
        most_micros=share[1],
        organization_tokens=allowed.max_tokens_per_month,
        organization_cost_usd=allowed.max_cost_usd_per_month,
    )
    found = recall(row, execution, pinned)
    pinned.recalled = found.system
    pinned.history = [Message(role=turn.speaker, content=turn.content) for turn in found.history]
    return pinned.model_dump(mode="json")


def _settings(run: Run) -> AgentSettings:
    """What the organization lets its agents use in a month."""
    row = table.need(OrganizationRow, OrganizationRow.at(run.organization_id), "organization")
    organization: Organization = row.to_entity()
    return organization.custom_settings.agents or AgentSettings()


def _converse(steps: Steps, run: Run, pinned: Pinned, spent: Spent) -> Outcome:
    messages = [*pinned.history, Message(role="user", content=pinned.input)]
    corrections = 0
    while True:
        reply = ask(steps, run, pinned, spent, messages)
        if isinstance(reply, Outcome):
            return reply
        messages.append(Message(role="assistant", content=reply.text, tool_calls=reply.tool_calls))
        if reply.tool_calls:
            answers = act(steps, run, pinned, spent, reply.tool_calls)
            if isinstance(answers, Outcome):
                return answers
            messages += answers
            continue
        outcome, mistake = _answer(reply, pinned.definition.output_schema)
        if not mistake:
            return outcome
        if corrections == CORRECTIONS:
            error = f"The model's answer does not fit the agent's schema: {mistake}"
            return Outcome(
                status=ExecutionStatus.FAILED, output=reply.text, error=error, code="output_invalid"
            )
        corrections += 1
        advice = f"Your answer does not fit the schema: {mistake}. Answer again, with the JSON value alone."
        messages.append(Message(role="user", content=advice))


def _answer(reply: ModelReply, schema: dict[str, Any] | None) -> tuple[Outcome, str | None]:
    """How a run ends with this reply, and what is wrong with it where the agent's answer has a schema."""
    if schema is None:
        return Outcome(status=ExecutionStatus.COMPLETED, output=reply.text), None
    text = re.sub(r"\A\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*\Z", r"\1", reply.text, flags=re.DOTALL)
    outcome = Outcome(status=ExecutionStatus.COMPLETED, output=text, structured=True)
    try:
        mismatch = json_schema.mismatch(schema, request_body.value(text))
    except BadRequest as error:
        return outcome, error.detail.replace("The body", "it")
    return outcome, str(mismatch) if mismatch else None


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
        structured=outcome.structured,
        waited=spent.waited,
        totals=totals,
    )
    if ended:
        metrics.run_ended(str(outcome.status), spent.requests, spent.tokens)
    logger.info("run ended", execution_id=str(run.id), status=str(outcome.status), recorded=ended)
    return ended
