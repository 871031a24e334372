"""Executions of agents: start, read and list them. `loop` runs them, `completion` finishes them."""

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from weconnect import clock, fault_injection, ids
from weconnect.actor import Actor
from weconnect.agents import service, versions
from weconnect.agents.engine import completion
from weconnect.agents.entities import (
    OPEN_STATUSES,
    AgentExecutionMetadata,
    AgentExecutionStatus,
    AgentExecutionStep,
    AIAgentExecution,
    AIAgentExecutionWithSteps,
    NewAIAgentExecution,
)
from weconnect.agents.errors import AgentInactive, TooDeep
from weconnect.agents.rows import (
    AgentExecutionRow,
    AgentRow,
    AgentStepRow,
    AgentVersionRow,
    NestedExecutionRow,
)
from weconnect.api.caller import Caller
from weconnect.api.idempotency import replay_safe_id
from weconnect.api.pagination import Page, query_page
from weconnect.auth.limits import enforcement
from weconnect.db import payloads, table
from weconnect.durable import client as durable_client
from weconnect.errors import Conflict
from weconnect.events.subscriptions import MAX_DEPTH
from weconnect.executions.errors import AlreadyStarted, ExecutionNotFound
from weconnect.log import logger
from weconnect.settings import settings

ACTIVE_STATUSES = OPEN_STATUSES - {AgentExecutionStatus.WAITING}  # a decision of a person may take days


@dataclass(frozen=True)
class CallingExecution:
    """The execution that a nested one is part of. `key` is its (pk, sk), `depth` its nesting level (0: outermost)."""

    organization_id: UUID
    execution_id: UUID
    key: tuple[str, str]
    depth: int
    retention_days: int
    may_run_workflows: bool
    api_key_id: UUID | None = None

    @classmethod
    def of_agent(cls, row: AgentExecutionRow) -> "CallingExecution":
        """Return an agent's execution as the one that a nested execution is part of."""
        return cls(
            organization_id=UUID(row.organization_id),
            execution_id=UUID(row.id),
            key=(row.pk, row.sk),
            depth=int(row.depth or 0),
            retention_days=completion.count_days_left(row),
            may_run_workflows=bool(row.may_run_workflows),
            api_key_id=UUID(row.api_key_id) if row.api_key_id else None,
        )


def start(caller: Caller, agent_id: UUID, new: NewAIAgentExecution) -> AIAgentExecution:
    """Store an execution and start it. If starting fails, the sweeper starts the stored execution again.

    Raises AgentNotFound, AgentInactive, and LimitReached with its Retry-After.
    """
    rows_by_key = table.get_many(
        [*versions.runnable_keys(caller.organization_id, agent_id), *enforcement.keys_to_read(caller)]
    )
    head, version = versions.pick_runnable(rows_by_key, caller.organization_id, agent_id)
    if not head.is_active:
        raise AgentInactive()
    execution_id = replay_safe_id()
    execution = _build_execution(head, version, new, execution_id, caller.user_id)
    execution.api_key_id = caller.api_key_id
    counted = enforcement.count_execution(caller, rows_by_key)
    row = _build_row(execution, counted.retention_days)
    row.set(may_run_workflows=caller.has_permission("workflows:execute"))
    try:
        row = table.create(row, caller.actor(), AlreadyStarted())
    except Exception as error:
        counted.undo()
        key = AgentExecutionRow.at(caller.organization_id, agent_id, execution_id)
        earlier = table.get(AgentExecutionRow, key)
        if not (isinstance(error, Conflict) and earlier):
            raise
        row = earlier  # an earlier attempt of the same request stored it
    invoke(row)
    return to_entity(row)


def store_nested(
    parent: CallingExecution, agent_id: UUID, text: str, execution_id: UUID, user_id: UUID, actor: Actor
) -> AIAgentExecution:
    """Store an execution that is part of another one, of an agent or of a workflow. Idempotent by `execution_id`.

    The function of the other execution runs it. Raises AgentNotFound, AgentInactive, TooDeep.
    """
    if parent.depth + 1 > MAX_DEPTH:
        raise TooDeep(f"Executions can be nested at most {MAX_DEPTH} levels deep.")
    organization_id = parent.organization_id
    rows_by_key = table.get_many(versions.runnable_keys(organization_id, agent_id))
    head, version = versions.pick_runnable(rows_by_key, organization_id, agent_id)
    if not head.is_active:
        raise AgentInactive()
    new = NewAIAgentExecution.model_construct(input=text, session_id=None)
    execution = _build_execution(head, version, new, execution_id, user_id)
    execution.api_key_id = parent.api_key_id
    execution.parent_execution_id = parent.execution_id
    row = _build_row(execution, parent.retention_days)
    row.set(depth=parent.depth + 1, parent_key=list(parent.key), may_run_workflows=parent.may_run_workflows)
    pk, sk = NestedExecutionRow.at(organization_id, parent.execution_id, execution_id)
    table.put(NestedExecutionRow(pk=pk, sk=sk, id=row.id, agent_id=row.agent_id, ttl=row.ttl), actor)
    with suppress(Conflict):  # the step was repeated
        table.create(row, actor)
    return execution


def invoke(row: AgentExecutionRow) -> None:
    """Invoke the durable function for an execution. Idempotent; failures are logged, and the sweeper tries again."""
    payload = {"organizationId": row.organization_id, "agentId": row.agent_id, "executionId": row.id}
    fault_injection.kill_point("before:invoke")
    try:
        durable_client.lambda_client().invoke(
            FunctionName=settings.run_agent_function,
            InvocationType="Event",
            DurableExecutionName=row.id,
            Payload=json.dumps(payload),
        )
    except Exception as error:
        logger.warning("execution not started, the sweeper retries", execution_id=row.id, error=repr(error))
    fault_injection.kill_point("after:invoke")


def wait(caller: Caller, execution: AIAgentExecution, seconds: int) -> AIAgentExecution:
    """Poll an execution until it has finished or waits for a decision, for at most `seconds`."""
    deadline, pause = time.monotonic() + seconds, 0.05
    while execution.status in ACTIVE_STATUSES and time.monotonic() < deadline:
        time.sleep(max(0, min(pause, deadline - time.monotonic())))
        pause = min(1.0, pause * 1.5)
        execution = to_entity(require_execution(caller, execution.agent_id, execution.id))
    return execution


def get(caller: Caller, agent_id: UUID, execution_id: UUID) -> AIAgentExecutionWithSteps:
    """Return an execution with its steps. Raises ExecutionNotFound."""
    row = require_execution(caller, agent_id, execution_id)
    pk, prefix = AgentStepRow.of_execution(caller.organization_id, execution_id)
    rows = AgentStepRow.query(pk, AgentStepRow.sk.startswith(prefix), consistent_read=True)
    steps = [_to_step(step) for step in rows]
    return AIAgentExecutionWithSteps(**to_entity(row).model_dump(), steps=steps)


def find(
    caller: Caller,
    agent_id: UUID,
    *,
    limit: int,
    cursor: str | None,
    status: AgentExecutionStatus | None = None,
    session_id: str | None = None,
    after: datetime | None = None,
    before: datetime | None = None,
    sort: Literal["newest", "slowest"] = "newest",
) -> Page[AIAgentExecution]:
    """List executions of an agent, their long texts cut. Raises AgentNotFound.

    `after` and `before` bound their start; `slowest` lists finished executions only.
    """
    service.require_agent(caller, agent_id)
    organization_id = caller.organization_id
    index, pk, prefix = (
        None,
        AgentExecutionRow.of_agent(organization_id, agent_id),
        table.key("EXECUTION", ""),
    )
    if sort == "slowest":
        index, pk, prefix = "gsi3", AgentExecutionRow.by_time(organization_id, agent_id), ""
    elif session_id:
        index, pk, prefix = "gsi1", AgentExecutionRow.by_session(organization_id, agent_id, session_id), ""
    elif status:
        index, pk, prefix = "gsi2", AgentExecutionRow.by_status(organization_id, agent_id, status), ""
    earliest = after.timestamp() if after else 0
    latest = before.timestamp() if before else 2**40

    def is_match(row: AgentExecutionRow) -> bool:
        """Return whether the row has the status and the session, and started in the period."""
        return (
            (status is None or row.status == status)
            and (session_id is None or row.metadata.get("session_id") == session_id)
            and earliest <= ids.timestamp_of(UUID(row.id)) < latest
        )

    is_bounded = sort == "newest" and bool(after or before)
    lowest, highest = str(ids.lowest_id(earliest)), str(ids.lowest_id(min(latest, 2**33)))
    filters = [status, session_id, after, before, sort]
    has_filter = any(value is not None for value in filters[:4])
    rows, next_cursor = query_page(
        AgentExecutionRow,
        pk,
        prefix,
        index=index,
        limit=limit,
        cursor=cursor,
        keep=is_match if has_filter else None,
        filters=filters,
        between=(prefix + lowest, prefix + highest) if is_bounded else None,
    )
    return Page(items=[to_entity(row, is_whole=False) for row in rows], next_cursor=next_cursor)


def to_entity(row: AgentExecutionRow, *, is_whole: bool = True) -> AIAgentExecution:
    """Return the execution of a row; its long texts are loaded, or cut unless `is_whole`."""
    values = row.values()
    for name in ("input", "output"):
        if (text := values.get(name)) is not None:
            values[name] = payloads.load(row.organization_id, text) if is_whole else payloads.preview(text)
    values["cost"] = _to_usd(row.cost_micros)
    if row.is_structured and is_whole:
        values["structured_output"] = json.loads(values["output"])
    return AIAgentExecution.model_validate(values, by_name=True)


def require_execution(caller: Caller, agent_id: UUID, execution_id: UUID) -> AgentExecutionRow:
    """Return the row of an execution. Raises ExecutionNotFound."""
    key = AgentExecutionRow.at(caller.organization_id, agent_id, execution_id)
    return table.require(AgentExecutionRow, key, ExecutionNotFound)


def _build_execution(
    head: AgentRow,
    version: AgentVersionRow,
    new: NewAIAgentExecution,
    execution_id: UUID,
    user_id: UUID,
) -> AIAgentExecution:
    """Return a new execution of a version, before it is stored."""
    moment = clock.now()
    definition = version.to_entity()
    return AIAgentExecution(
        id=execution_id,
        created_at=moment,
        updated_at=moment,
        organization_id=UUID(head.organization_id),
        user_id=user_id,
        agent_id=UUID(head.id),
        agent_version=version.number,
        input=new.input,
        input_tokens=0,
        execution_time=0,
        metadata=AgentExecutionMetadata(
            provider=definition.provider,
            model=definition.model,
            temperature=definition.configuration.temperature,
            max_tokens=definition.configuration.max_tokens,
            user_id=user_id,
            session_id=new.session_id,
            is_language_model=definition.provider != "embedded",
        ),
    )


def _build_row(execution: AIAgentExecution, retention_days: int) -> AgentExecutionRow:
    """Return the row of a new execution, not yet written; a long input is stored in S3."""
    organization_id, agent_id = execution.organization_id, execution.agent_id
    pk, sk = AgentExecutionRow.at(organization_id, agent_id, execution.id)
    values: dict[str, Any] = {}
    if session_id := execution.metadata.session_id:
        values["gsi1pk"] = AgentExecutionRow.by_session(organization_id, agent_id, session_id)
        values["gsi1sk"] = str(execution.id)
    name = f"runs/{execution.id}/input"
    values["input"] = payloads.store(
        organization_id, name, execution.input, retention_days, completion.INLINE_BYTES
    )
    ttl = clock.epoch_seconds() + retention_days * 86_400
    row = AgentExecutionRow.of(execution, pk=pk, sk=sk, ttl=ttl, **values)
    row.set(**row.index_keys(execution.status))
    return row


def _to_step(row: AgentStepRow) -> AgentExecutionStep:
    """Return the step of a row, with its result loaded and its cost in USD."""
    values = row.values()
    if row.result is not None:
        organization_id = UUID(row.pk.split("#")[1])
        values["result"] = json.loads(payloads.load(organization_id, row.result))
    return AgentExecutionStep.model_validate(values | {"cost": _to_usd(row.cost_micros)}, by_name=True)


def _to_usd(micros: float | None) -> float | None:
    return None if micros is None else micros / 1e6
