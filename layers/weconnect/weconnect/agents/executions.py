"""Runs of agents: start, read, list, cancel. What a run does stands in `loop`."""

import json
import time
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pynamodb.expressions.condition import Condition

from weconnect import clock, durable, faults, ids, payloads, table
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
from weconnect.agents.rows import AgentRow, AgentVersionRow, ExecutionRow, StepRow
from weconnect.auth import limits
from weconnect.caller import Caller
from weconnect.errors import Conflict, NotFound
from weconnect.executions import approvals
from weconnect.idempotency import new_id
from weconnect.log import logger
from weconnect.pages import Page, query_page
from weconnect.settings import settings

GOING_ON = OPEN - {ExecutionStatus.WAITING}  # a person's answer may take days

INLINE_BYTES = 4_000  # the run's row stands in three indexes: longer texts leave it


def start(caller: Caller, agent_id: UUID, new: NewExecution) -> AIAgentExecution:
    """Store a run and start it. What was stored runs, whatever happens: the sweeper starts it again if need be.

    Raises NotFound, Conflict `agent_inactive`, LimitReached with its Retry-After.
    """
    found = table.get_many([*versions.keys_to_run(caller.organization_id, agent_id), *limits.keys(caller)])
    head, version = versions.pick_to_run(found, caller.organization_id, agent_id)
    if not head.is_active:
        raise Conflict("The agent is not active", code="agent_inactive")
    execution_id = new_id()
    execution = _execution(head, version, new, execution_id, caller.user_id, api_key_id=caller.api_key_id)
    taken = limits.take(caller, found)
    try:
        row = table.create(
            _row(execution, taken.retention_days), caller.actor(), Conflict(code="already_started")
        )
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

    Raises NotFound and Conflict `agent_inactive`.
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
    depth: int = 0,
    **more: Any,
) -> AIAgentExecution:
    """Store a run whose steps are steps of another run, of an agent or of a workflow; again, it is the same run.

    Raises NotFound and Conflict `agent_inactive`.
    """
    found = table.get_many(versions.keys_to_run(organization_id, agent_id))
    head, version = versions.pick_to_run(found, organization_id, agent_id)
    if not head.is_active:
        raise Conflict("The agent is not active", code="agent_inactive")
    new = NewExecution.model_construct(input=question, session_id=None)
    execution = _execution(head, version, new, execution_id, user_id, **more)
    row = _row(execution, days)
    row.set(depth=depth, parent_key=list(parent_key))
    with suppress(Conflict):  # the step was repeated
        table.create(row, actor)
    return execution


def invoke(row: ExecutionRow) -> None:
    """Ask for the run's durable function by the run's id: twice is harmless, and what fails is left to the sweeper."""
    payload = {"organizationId": row.organization_id, "agentId": row.agent_id, "executionId": row.id}
    faults.point("before:invoke")
    try:
        durable.lambda_client().invoke(
            FunctionName=settings.run_agent_function,
            InvocationType="Event",
            DurableExecutionName=row.id,
            Payload=json.dumps(payload),
        )
    except Exception as error:
        logger.warning("could not start a run; the sweeper will", execution_id=row.id, error=repr(error))
    faults.point("after:invoke")


def wait(caller: Caller, execution: AIAgentExecution, seconds: int) -> AIAgentExecution:
    """Look again, ever less often, until the run has ended, waits for a person, or `seconds` are over."""
    until, pause = time.monotonic() + seconds, 0.05
    while execution.status in GOING_ON and time.monotonic() < until:
        time.sleep(max(0, min(pause, until - time.monotonic())))
        pause = min(1.0, pause * 1.5)
        execution = entity(_need(caller, execution.agent_id, execution.id))
    return execution


def get(caller: Caller, agent_id: UUID, execution_id: UUID) -> ExecutionWithSteps:
    """A run with its steps."""
    row = _need(caller, agent_id, execution_id)
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


def cancel(caller: Caller, agent_id: UUID, execution_id: UUID) -> AIAgentExecution:
    """Ask a run to stop: at once when it has not begun or waits, else before its next step.

    Raises Conflict `already_finished`.
    """
    row = _need(caller, agent_id, execution_id)
    still = ExecutionRow.status == row.status
    if row.status in (ExecutionStatus.PENDING, ExecutionStatus.WAITING) and finish(
        row, ExecutionStatus.CANCELLED, condition=still
    ):
        return entity(_need(caller, agent_id, execution_id))
    asked = {"cancel_requested_at": clock.iso(clock.now())}
    if not table.touch(row, put=asked, condition=ExecutionRow.status == ExecutionStatus.RUNNING.value):
        raise Conflict(f"The run is {_need(caller, agent_id, execution_id).status}", code="already_finished")
    return entity(row)


def hold(row: ExecutionRow, approval_ids: list[UUID], actor: dict[str, Any]) -> bool:
    """Let a running run wait for approvals; False when it is to stop."""
    return _move(
        row, ExecutionStatus.RUNNING, ExecutionStatus.WAITING, actor, [str(item) for item in approval_ids]
    )


def go_on(row: ExecutionRow, actor: dict[str, Any]) -> bool:
    """Let a waiting run go on; False when it is to stop."""
    return _move(row, ExecutionStatus.WAITING, ExecutionStatus.RUNNING, actor, None)


def _move(
    row: ExecutionRow,
    before: ExecutionStatus,
    after: ExecutionStatus,
    actor: dict[str, Any],
    waiting_for: list[str] | None,
) -> bool:
    """Move an open run from one state to the next, once however often it is asked."""
    if row.cancel_requested_at or row.status not in (before, after):
        return False
    if row.status == before:
        values = {"status": after.value, "waiting_for": waiting_for, **row.index_keys(after)}
        still = (ExecutionRow.status == before.value) & ExecutionRow.cancel_requested_at.does_not_exist()
        try:
            table.change(row, values, actor, condition=still)
        except Conflict:
            return False
    return True


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
    totals = totals or {}
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


def _need(caller: Caller, agent_id: UUID, execution_id: UUID) -> ExecutionRow:
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
