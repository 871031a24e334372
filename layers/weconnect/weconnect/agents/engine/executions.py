"""Runs of agents: start, read, list, end. What a run does stands in `loop`; they are cancelled in `stopping`."""

import json
import time
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pynamodb.expressions.condition import Condition

from weconnect import clock, durable, fault_injection, ids
from weconnect.agents import service, statistics, versions
from weconnect.agents.entities import (
    OPEN,
    AgentDefinition,
    AIAgentExecution,
    ExecutionMetadata,
    ExecutionStatus,
    ExecutionStep,
    ExecutionWithSteps,
    NewExecution,
)
from weconnect.agents.rows import AgentRow, AgentVersionRow, ExecutionRow, NestedRow, StepRow
from weconnect.api.caller import Caller
from weconnect.api.idempotency import new_id
from weconnect.api.pagination import Page, query_page
from weconnect.approvals import service as approvals
from weconnect.auth.limits import enforcement
from weconnect.db import payloads, table
from weconnect.errors import Conflict, NotFound
from weconnect.executions.entities import MAX_DEPTH
from weconnect.log import logger
from weconnect.settings import settings

GOING_ON = OPEN - {ExecutionStatus.WAITING}  # a person's answer may take days

INLINE_BYTES = 4_000  # the run's row stands in three indexes: longer texts leave it


def start(caller: Caller, agent_id: UUID, new: NewExecution) -> AIAgentExecution:
    """Store a run and start it. What was stored runs, whatever happens: the sweeper starts it again if need be.

    Raises NotFound, Conflict `agent_inactive`, LimitReached with its Retry-After.
    """
    found = table.get_many(
        [*versions.keys_to_run(caller.organization_id, agent_id), *enforcement.keys(caller)]
    )
    head, version = versions.pick_to_run(found, caller.organization_id, agent_id)
    if not head.is_active:
        raise Conflict("The agent is not active", code="agent_inactive")
    execution_id = new_id()
    execution = _execution(head, version, new, execution_id, caller.user_id, api_key_id=caller.api_key_id)
    taken = enforcement.take(caller, found)
    row = _row(execution, taken.retention_days)
    row.set(may_run_workflows=caller.may("workflows:execute"))
    try:
        row = table.create(row, caller.actor(), Conflict(code="already_started"))
    except Exception as error:
        taken.give_back()
        earlier = table.get(ExecutionRow, ExecutionRow.at(caller.organization_id, agent_id, execution_id))
        if not (isinstance(error, Conflict) and earlier):
            raise
        row = earlier  # an earlier try of the same request got this far
    invoke(row)
    return entity(row)


def store_nested(
    parent: ExecutionRow,
    agent_id: UUID,
    question: str,
    execution_id: UUID,
    user_id: UUID,
    actor: dict[str, Any],
) -> AIAgentExecution:
    """Store a run that is a tool call of another run, kept as long as that one; again, it is the same run.

    Raises NotFound, Conflict `agent_inactive` and `too_deep`.
    """
    return store_within(
        UUID(parent.organization_id),
        agent_id,
        question,
        execution_id,
        user_id,
        actor,
        parent_key=(parent.pk, parent.sk),
        days=days_left(parent),
        depth=int(parent.depth or 0) + 1,
        may_run_workflows=bool(parent.may_run_workflows),
        api_key_id=parent.api_key_id,
        parent_execution_id=UUID(parent.id),
    )


def store_within(
    organization_id: UUID,
    agent_id: UUID,
    question: str,
    execution_id: UUID,
    user_id: UUID,
    actor: dict[str, Any],
    *,
    parent_key: tuple[str, str],
    days: int,
    depth: int,
    may_run_workflows: bool,
    **more: Any,
) -> AIAgentExecution:
    """Store a run whose steps are steps of another run, of an agent or of a workflow; again, it is the same run.

    Raises NotFound, Conflict `agent_inactive` and `too_deep`.
    """
    if depth > MAX_DEPTH:
        raise Conflict(f"Runs start each other at most {MAX_DEPTH} deep", code="too_deep")
    found = table.get_many(versions.keys_to_run(organization_id, agent_id))
    head, version = versions.pick_to_run(found, organization_id, agent_id)
    if not head.is_active:
        raise Conflict("The agent is not active", code="agent_inactive")
    new = NewExecution.model_construct(input=question, session_id=None)
    execution = _execution(head, version, new, execution_id, user_id, **more)
    row = _row(execution, days)
    row.set(depth=depth, parent_key=list(parent_key), may_run_workflows=may_run_workflows)
    pk, sk = NestedRow.at(organization_id, more["parent_execution_id"], execution_id)
    table.put(NestedRow(pk=pk, sk=sk, id=row.id, agent_id=row.agent_id, ttl=row.ttl), actor)
    with suppress(Conflict):  # the step was repeated
        table.create(row, actor)
    return execution


def invoke(row: ExecutionRow) -> None:
    """Ask for the run's durable function by the run's id: twice is harmless, and what fails is left to the sweeper."""
    payload = {"organizationId": row.organization_id, "agentId": row.agent_id, "executionId": row.id}
    fault_injection.point("before:invoke")
    try:
        durable.lambda_client().invoke(
            FunctionName=settings.run_agent_function,
            InvocationType="Event",
            DurableExecutionName=row.id,
            Payload=json.dumps(payload),
        )
    except Exception as error:
        logger.warning("could not start a run; the sweeper will", execution_id=row.id, error=repr(error))
    fault_injection.point("after:invoke")


def wait(caller: Caller, execution: AIAgentExecution, seconds: int) -> AIAgentExecution:
    """Look again, ever less often, until the run has ended, waits for a person, or `seconds` are over."""
    until, pause = time.monotonic() + seconds, 0.05
    while execution.status in GOING_ON and time.monotonic() < until:
        time.sleep(max(0, min(pause, until - time.monotonic())))
        pause = min(1.0, pause * 1.5)
        execution = entity(need(caller, execution.agent_id, execution.id))
    return execution


def get(caller: Caller, agent_id: UUID, execution_id: UUID) -> ExecutionWithSteps:
    """A run with its steps."""
    row = need(caller, agent_id, execution_id)
    pk, prefix = StepRow.of_run(caller.organization_id, execution_id)
    steps = [_step(step) for step in StepRow.query(pk, StepRow.sk.startswith(prefix), consistent_read=True)]
    return ExecutionWithSteps(**entity(row).model_dump(), steps=steps)


def find(
    caller: Caller,
    agent_id: UUID,
    *,
    limit: int,
    cursor: str | None,
    status: ExecutionStatus | None = None,
    session_id: str | None = None,
    after: datetime | None = None,
    before: datetime | None = None,
    sort: Literal["newest", "slowest"] = "newest",
) -> Page[AIAgentExecution]:
    """Runs of an agent, their long texts cut; `from` and `to` bound their start, `slowest` lists finished ones."""
    service.need(caller, agent_id)
    organization_id = caller.organization_id
    index, pk, prefix = None, ExecutionRow.of_agent(organization_id, agent_id), table.key("EXECUTION", "")
    if sort == "slowest":
        index, pk, prefix = "gsi3", ExecutionRow.by_time(organization_id, agent_id), ""
    elif session_id:
        index, pk, prefix = "gsi1", ExecutionRow.by_session(organization_id, agent_id, session_id), ""
    elif status:
        index, pk, prefix = "gsi2", ExecutionRow.by_status(organization_id, agent_id, status), ""
    low, high = after.timestamp() if after else 0, before.timestamp() if before else 2**40

    def keep(row: ExecutionRow) -> bool:
        return (
            (status is None or row.status == status)
            and (session_id is None or row.metadata.get("session_id") == session_id)
            and low <= ids.time_of(UUID(row.id)) < high
        )

    bounded = sort == "newest" and bool(after or before)
    lowest, highest = str(ids.lowest_id(low)), str(ids.lowest_id(min(high, 2**33)))
    between = (prefix + lowest, prefix + highest) if bounded else None
    filters = [status, session_id, after, before, sort]
    needs_filter = any(value is not None for value in filters[:4])
    rows, following = query_page(
        ExecutionRow,
        pk,
        prefix,
        index=index,
        limit=limit,
        cursor=cursor,
        keep=keep if needs_filter else None,
        filters=filters,
        between=between,
    )
    return Page(items=[entity(row, whole=False) for row in rows], next_cursor=following)


def finish(
    row: ExecutionRow,
    status: ExecutionStatus,
    *,
    output: str | None = None,
    error: str | None = None,
    error_code: str | None = None,
    structured: bool = False,
    waited: float = 0,
    totals: dict[str, Any] | None = None,
    condition: Condition | None = None,
) -> bool:
    """End a run and count it, in one transaction; False when it had ended already. A terminal state never changes.

    Its time leaves out the seconds that it `waited` for somebody.
    """
    moment = clock.now()
    organization_id = UUID(row.organization_id)
    started = datetime.fromisoformat(row.started_at) if row.started_at else moment
    milliseconds = max(0, int(((moment - started).total_seconds() - waited) * 1000))
    totals = _used(row) if totals is None else totals
    values = {
        "status": status.value,
        "output": payloads.store(
            organization_id, f"runs/{row.id}/output", output, days_left(row), INLINE_BYTES
        )
        if output is not None
        else None,
        "error": error,
        "error_code": error_code,
        "is_structured": structured,
        "waiting_for": None,
        "finished_at": clock.iso(moment),
        "execution_time": milliseconds,
        **totals,
        **row.index_keys(status, milliseconds),
    }
    still_open = ExecutionRow.status.is_in(*[state.value for state in OPEN])
    for counts in (True, False):  # an agent that went to the trash meanwhile is not counted
        writes = table.Transaction({"system": "runs"})
        writes.change(row, values, condition=still_open if condition is None else still_open & condition)
        if counts:
            statistics.count(writes, row, status, milliseconds, totals)
        waited_for = [UUID(approval_id) for approval_id in row.waiting_for or []]
        try:
            writes.commit()
            approvals.withdraw(organization_id, waited_for, {"system": "runs"})
            return True
        except NotFound:
            continue
        except Conflict:
            break
    return False


def _used(row: ExecutionRow) -> dict[str, Any]:
    """What a run has used that does not end by itself, from its steps."""
    pk, prefix = StepRow.of_run(UUID(row.organization_id), UUID(row.id))
    steps = StepRow.query(pk, StepRow.sk.startswith(prefix), consistent_read=True)
    asked = [step for step in steps if step.type == "model"] if row.started_at else []
    if not asked:
        return {}
    costs = [step.cost_micros for step in asked]
    return {
        "input_tokens": sum(int(step.input_tokens or 0) for step in asked),
        "output_tokens": sum(int(step.output_tokens or 0) for step in asked),
        "cost_micros": None if None in costs else sum(int(cost) for cost in costs),
    }


def entity(row: ExecutionRow, *, whole: bool = True) -> AIAgentExecution:
    """The run on the wire, its long texts fetched, or cut where a list shows it."""
    values = row.values()
    for name in ("input", "output"):
        if (text := values.get(name)) is not None:
            values[name] = payloads.load(row.organization_id, text) if whole else payloads.preview(text)
    values["cost"] = _dollars(row.cost_micros)
    if row.is_structured and whole:
        values["structured_output"] = json.loads(values["output"])
    return AIAgentExecution.model_validate(values, by_name=True)


def _execution(
    head: AgentRow,
    version: AgentVersionRow,
    new: NewExecution,
    execution_id: UUID,
    user_id: UUID,
    **more: Any,
) -> AIAgentExecution:
    moment = clock.now()
    definition: AgentDefinition = version.to_entity()
    return AIAgentExecution(
        id=execution_id,
        created_at=moment,
        updated_at=moment,
        organization_id=head.organization_id,
        user_id=user_id,
        agent_id=head.id,
        agent_version=version.number,
        input=new.input,
        input_tokens=0,
        execution_time=0,
        metadata=ExecutionMetadata(
            provider=definition.provider,
            model=definition.model,
            temperature=definition.configuration.temperature,
            max_tokens=definition.configuration.max_tokens,
            user_id=user_id,
            session_id=new.session_id,
            is_language_model=definition.provider != "embedded",
        ),
        **more,
    )


def _row(execution: AIAgentExecution, retention_days: int) -> ExecutionRow:
    organization_id, agent_id = execution.organization_id, execution.agent_id
    pk, sk = ExecutionRow.at(organization_id, agent_id, execution.id)
    keys: dict[str, Any] = {}
    if session_id := execution.metadata.session_id:
        keys["gsi1pk"] = ExecutionRow.by_session(organization_id, agent_id, session_id)
        keys["gsi1sk"] = str(execution.id)
    text = payloads.store(
        organization_id, f"runs/{execution.id}/input", execution.input, retention_days, INLINE_BYTES
    )
    ttl = clock.epoch() + retention_days * 86_400
    row = ExecutionRow.of(execution, pk=pk, sk=sk, ttl=ttl, **(keys | {"input": text}))
    row.set(**row.index_keys(execution.status))
    return row


def days_left(row: ExecutionRow) -> int:
    """Days until the run's row expires: how long its texts are kept."""
    return max(1, -((clock.epoch() - int(row.ttl or 0)) // 86_400))


def need(caller: Caller, agent_id: UUID, execution_id: UUID) -> ExecutionRow:
    """The row of a run."""
    at = ExecutionRow.at(caller.organization_id, agent_id, execution_id)
    return table.need(ExecutionRow, at, "execution")


def _step(row: StepRow) -> ExecutionStep:
    values = row.values()
    if values.get("result") is not None:
        organization_id = UUID(row.pk.split("#")[1])
        values["result"] = json.loads(payloads.load(organization_id, values["result"]))
    return ExecutionStep.model_validate(values | {"cost": _dollars(row.cost_micros)}, by_name=True)


def _dollars(micros: float | None) -> float | None:
    return None if micros is None else micros / 1e6
