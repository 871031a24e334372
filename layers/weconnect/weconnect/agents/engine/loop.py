"""The execution loop of an agent: load, then model requests and tool calls until there is an answer, then finish.

Each of them is one step: after a crash nothing that has a checkpoint is executed or paid for again. Before every model
request the fence and the limits are checked; the loop fails closed.
"""

import functools
from functools import partial

from pydantic import TypeAdapter

from weconnect import clock, json_schema, metrics
from weconnect.agents import versions
from weconnect.agents.engine.execution_context import AgentResult, AgentSnapshot, ExecutionContext
from weconnect.agents.engine.model_requests import request_reply
from weconnect.agents.engine.recall import recall, remember, should_remember
from weconnect.agents.engine.tool_calls import execute_tool_calls
from weconnect.agents.engine.usage import BudgetShare, Usage
from weconnect.agents.executions.conversion import to_execution
from weconnect.agents.executions.kind import AgentDetails
from weconnect.agents.statistics import ExecutionTotals
from weconnect.agents.tools.invocation import PinnedTool
from weconnect.api import request_body
from weconnect.base_entity import JsonObject
from weconnect.db import table
from weconnect.durable.steps import StepFailed, Steps
from weconnect.errors import BadRequest
from weconnect.executions import beginning, lifecycle, trees
from weconnect.executions.entities import ExecutionStatus
from weconnect.executions.followups import complete_execution
from weconnect.executions.results import Completion
from weconnect.log import logger
from weconnect.models.messages import Message, ModelReply
from weconnect.organizations.entities import AgentSettings
from weconnect.organizations.errors import OrganizationNotFound
from weconnect.organizations.rows import OrganizationRow

MAX_CORRECTIONS = 2  # how often a model may correct an answer that does not match the schema
NO_LIMIT = BudgetShare()


def run_agent(steps: Steps, context: ExecutionContext, share: BudgetShare = NO_LIMIT) -> AgentResult:
    """Run an execution to its end and return its result; the status is `closed` when it had finished before.

    `share` limits the tokens and the money that a nested execution may use.
    """
    total = Usage()
    snapshot: AgentSnapshot | None = None
    try:
        snapshot = steps.step("load", lambda: _begin(context, share), _build_snapshot_adapter())
        if snapshot is None:
            return AgentResult(status="closed")
        completion = _converse(steps, context, snapshot, total)
    except StepFailed as failure:
        completion = Completion.failed("internal_error", f"Internal error in step {failure}")
    if snapshot and should_remember(snapshot, completion):
        steps.step("remember", partial(remember, context, snapshot, completion, total.tools_used))
    is_structured = snapshot is not None and snapshot.definition.output_schema is not None
    status = steps.step("finish", lambda: _finish(context, completion, total, is_structured=is_structured))
    if status != completion.status:  # its cancellation was requested in its last step
        completion = Completion.cancelled()
    return AgentResult(
        status=str(completion.status),
        output=completion.output,
        error=completion.error.message if completion.error else None,
        charge=total.total_charge(),
        suspended_seconds=total.suspended_seconds,
    )


def _begin(context: ExecutionContext, share: BudgetShare) -> AgentSnapshot | None:
    """Set an execution to running and return its snapshot; None when it does not run. Idempotent."""
    row = beginning.begin(context.load_row())
    if row is None:
        return None
    execution = to_execution(row)
    organization_id = context.organization_id
    version = versions.require_version(organization_id, context.agent_id, execution.agent_version)
    tools = [PinnedTool.model_validate(tool) for tool in versions.load_tools(organization_id, version)]
    settings = _load_agent_settings(context)
    snapshot = AgentSnapshot(
        user_id=execution.user_id,
        session_id=execution.metadata.session_id,
        input=execution.input,
        started=clock.now().timestamp(),
        may_run_workflows=bool(row.may_run_workflows),
        starts_in_parallel=trees.starts_in_parallel(row.tree),
        definition=version.to_entity(),
        tools=[tool for tool in tools if tool.is_active],
        recalled="",
        history=[],
        max_tokens=share.max_tokens,
        max_cost_micros=share.max_cost_micros,
        organization_max_tokens=settings.max_tokens_per_month,
        organization_max_cost_usd=settings.max_cost_usd_per_month,
    )
    memory = recall(row, execution, snapshot)
    snapshot.recalled = memory.system
    snapshot.history = [Message(role=turn.speaker, content=turn.content) for turn in memory.history]
    return snapshot


def _load_agent_settings(context: ExecutionContext) -> AgentSettings:
    """Return what the organization allows its agents to use in a month."""
    key = OrganizationRow.at(context.organization_id)
    organization = table.require(OrganizationRow, key, OrganizationNotFound).to_entity()
    return organization.custom_settings.agents or AgentSettings()


def _converse(steps: Steps, context: ExecutionContext, snapshot: AgentSnapshot, total: Usage) -> Completion:
    """Alternate between model requests and tool calls until the execution ends."""
    messages = [*snapshot.history, Message(role="user", content=snapshot.input)]
    corrections = 0
    while True:
        reply = request_reply(steps, context, snapshot, total, messages)
        if isinstance(reply, Completion):
            return reply
        messages.append(Message(role="assistant", content=reply.text, tool_calls=reply.tool_calls))
        if reply.tool_calls:
            results = execute_tool_calls(steps, context, snapshot, total, reply.tool_calls, run_agent)
            if isinstance(results, Completion):
                return results
            messages += results
            continue
        completion, mismatch = _to_completion(reply, snapshot.definition.output_schema)
        if not mismatch:
            return completion
        if corrections == MAX_CORRECTIONS:
            error = f"The model's answer does not match the agent's schema: {mismatch}"
            return Completion.failed("output_invalid", error).model_copy(update={"output": reply.text})
        corrections += 1
        advice = (
            f"Your answer does not match the schema: {mismatch}. Answer again, with the JSON value alone."
        )
        messages.append(Message(role="user", content=advice))


def _to_completion(reply: ModelReply, schema: JsonObject | None) -> tuple[Completion, str | None]:
    """Return the completion with a final reply, and its mismatch with the agent's output schema; None without one."""
    if schema is None:
        return Completion(status=ExecutionStatus.COMPLETED, output=reply.text), None
    text = _strip_fence(reply.text)
    completion = Completion(status=ExecutionStatus.COMPLETED, output=text)
    try:
        mismatch = json_schema.find_mismatch(schema, request_body.parse_json(text))
    except BadRequest as error:
        reason = error.errors[0]["detail"] if error.errors else error.detail
        return completion, f"it is not JSON: {reason}"
    return completion, str(mismatch) if mismatch else None


def _strip_fence(text: str) -> str:
    """Return the text within a fence of three backticks around all of it, else the text."""
    first, _, rest = text.strip().partition("\n")
    is_fenced = first.rstrip() in ("```", "```json") and rest.endswith("```")
    return rest.removesuffix("```").strip() if is_fenced else text


def _finish(context: ExecutionContext, completion: Completion, total: Usage, *, is_structured: bool) -> str:
    """Write the end of an execution and count it; return the status that it ends with.

    That is another one when its cancellation was requested meanwhile.
    """
    row = context.load_row()
    totals: ExecutionTotals = {
        "input_tokens": total.input_tokens,
        "output_tokens": total.output_tokens,
        "cost_micros": total.cost_micros,
        "metadata": dict(row.metadata) | {"tools_used": total.tools_used, "warnings": total.warnings},
    }
    details = AgentDetails(totals, total.suspended_seconds, is_structured)
    is_first = complete_execution(row, completion, details)
    status = row.status if is_first else lifecycle.reload(row).status  # a repeated step finds it ended
    if is_first:
        metrics.count_finished_execution(status, total.requests, total.tokens)
    logger.info(
        "execution finished", execution_id=str(context.execution_id), status=status, recorded=is_first
    )
    return status


@functools.cache
def _build_snapshot_adapter() -> TypeAdapter[AgentSnapshot | None]:
    """Return the type of the result of the step `load`."""
    return TypeAdapter(AgentSnapshot | None)
