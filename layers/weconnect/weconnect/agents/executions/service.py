"""Executions of agents for callers: read, list and cancel them. `starts` starts them."""

from datetime import datetime
from typing import Literal, TypeVar
from uuid import UUID

from weconnect.agents import service as agents
from weconnect.agents.entities import (
    AgentExecutionStatus,
    AIAgentExecution,
    AIAgentExecutionWithSteps,
)
from weconnect.agents.executions.conversion import to_execution, to_step
from weconnect.agents.executions.kind import AGENT
from weconnect.agents.rows import AgentExecutionRow, AgentStepRow
from weconnect.api.caller import Caller
from weconnect.api.pagination import Page
from weconnect.executions import callback_tokens
from weconnect.executions import service as executions
from weconnect.executions.concurrency import admission
from weconnect.executions.kinds import Operation
from weconnect.executions.service import Source

E = TypeVar("E", bound=AIAgentExecution)

_FOREIGN = {"input", "output", "structured_output", "error", "steps", "metadata"}
"""What an agent was told and what it and its tools have answered."""

SortOrder = Literal["newest", "slowest"]


def require(caller: Caller, agent_id: UUID, execution_id: UUID, operation: Operation) -> AgentExecutionRow:
    """Return the row of an execution. Raises ExecutionNotFound."""
    key = AgentExecutionRow.at(caller.organization_id, agent_id, execution_id)
    return executions.require(AGENT, caller, key, operation)


def hide_tokens(caller: Caller, shown: list[E]) -> list[E]:
    """Return executions without the callback tokens of workflows, unless the caller may control those."""
    if caller.has_permission("executions:update"):
        return shown
    hiding = callback_tokens.hide_tokens(caller.organization_id)
    values = hiding.hide([each.model_dump(mode="json", include=_FOREIGN) for each in shown])
    return [
        type(each).model_validate(each.model_dump() | value, by_name=True)
        for each, value in zip(shown, values, strict=True)
    ]


def get(caller: Caller, agent_id: UUID, execution_id: UUID) -> AIAgentExecutionWithSteps:
    """Return an execution with its steps. Raises ExecutionNotFound."""
    row = require(caller, agent_id, execution_id, "view")
    pk, prefix = AgentStepRow.of_execution(caller.organization_id, execution_id)
    rows = AgentStepRow.query(pk, AgentStepRow.sk.startswith(prefix), consistent_read=True)
    steps = [to_step(step) for step in rows]
    position = admission.get_queue_position(row) if row.waits_for else None
    execution = AIAgentExecutionWithSteps(
        **to_execution(row).model_dump(), steps=steps, queue_position=position
    )
    return hide_tokens(caller, [execution])[0]


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
    sort: SortOrder = "newest",
) -> Page[AIAgentExecution]:
    """Return a page of an agent's executions, their input and output cut. Raises AgentNotFound.

    `after` and `before` bound their start; `slowest` lists finished executions only.
    """
    agents.require_agent(caller, agent_id)

    def is_in_session(row: AgentExecutionRow) -> bool:
        """Return whether an execution belongs to the session."""
        return bool(row.metadata.get("session_id") == session_id)

    page = executions.find(
        AGENT,
        _choose_source(caller.organization_id, agent_id, status, session_id, sort),
        limit=limit,
        cursor=cursor,
        status=status,
        after=after,
        before=before,
        keep=is_in_session if session_id is not None else None,
        filters=[session_id, sort],
        is_sorted_by_id=sort == "newest",
    )
    page.items = hide_tokens(caller, page.items)
    return page


def cancel(caller: Caller, agent_id: UUID, execution_id: UUID) -> AIAgentExecution:
    """Cancel an execution. Raises ExecutionNotFound, AlreadyFinished."""
    return executions.cancel(
        AGENT, caller, AgentExecutionRow.at(caller.organization_id, agent_id, execution_id)
    )


def _choose_source(
    organization_id: UUID,
    agent_id: UUID,
    status: AgentExecutionStatus | None,
    session_id: str | None,
    sort: SortOrder,
) -> Source:
    """Return the index and the partition with all matching executions and the fewest others."""
    if sort == "slowest":
        return Source("gsi3", AgentExecutionRow.by_time(organization_id, agent_id))
    if session_id:
        return Source("gsi1", AgentExecutionRow.by_session(organization_id, agent_id, session_id))
    if status:
        return Source("gsi2", AgentExecutionRow.by_status(organization_id, agent_id, status))
    return Source(None, *AgentExecutionRow.of_agent(organization_id, agent_id))
