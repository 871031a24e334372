"""The identity, the snapshot and the fence of an execution, and the results that its steps share."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from weconnect.agents.entities import AgentDefinition, AgentExecutionStep
from weconnect.agents.rows import AgentExecutionRow, AgentRow, AgentStepRow
from weconnect.agents.tools.invocation import PinnedTool
from weconnect.db import payloads, table
from weconnect.executions import lifecycle
from weconnect.executions.entities import ExecutionStatus
from weconnect.executions.errors import ExecutionNotFound
from weconnect.executions.lifecycle import ACTOR
from weconnect.executions.results import Completion
from weconnect.executions.rows import ExecutionRow
from weconnect.models.messages import Message, ModelReply


@dataclass(frozen=True)
class ExecutionContext:
    """The identity of an execution, and of the execution that waits for it.

    `parent` is the agent's execution whose tool call this one is, `workflow_execution_key` the key of the workflow's
    execution whose node it is.
    """

    organization_id: UUID
    agent_id: UUID
    execution_id: UUID
    parent: "ExecutionContext | None" = None
    workflow_execution_key: tuple[str, str] | None = None

    @property
    def key(self) -> tuple[str, str]:
        """The (pk, sk) of the execution's row."""
        return AgentExecutionRow.at(self.organization_id, self.agent_id, self.execution_id)

    def load_row(self) -> AgentExecutionRow:
        """Return the execution's row as it is now. Raises ExecutionNotFound."""
        return table.require(AgentExecutionRow, self.key, ExecutionNotFound)

    def with_ancestors(self) -> "Iterator[ExecutionContext]":
        """Yield this execution and the agents' executions that wait for it."""
        yield self
        if self.parent:
            yield from self.parent.with_ancestors()


class AgentSnapshot(BaseModel):
    """The data that an execution works with; later changes of the agent, its tools and its memory do not affect it.

    `recalled` is what memory adds to the system prompt. `max_tokens` and `max_cost_micros` are its share of a calling
    execution's budget; the fields with `organization_` are the organization's budget of a month. `starts_in_parallel`:
    several of its calls may start executions at the same time.
    """

    user_id: UUID
    session_id: str | None
    input: str
    started: float
    definition: AgentDefinition
    tools: list[PinnedTool]
    recalled: str
    history: list[Message]
    max_tokens: int | None = None
    max_cost_micros: int | None = None
    organization_max_tokens: int | None = None
    organization_max_cost_usd: float | None = None
    may_run_workflows: bool = False
    starts_in_parallel: bool = True

    def find_tool(self, name: str) -> PinnedTool | None:
        """Return the tool with this name, also one of an MCP server; None for an unknown name."""
        return next((tool for tool in self.tools if tool.name == name), None)


class Charge(BaseModel):
    """The cost of model requests: tokens, and USD * 10^6 (None when a price is unknown)."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int | None = 0

    @classmethod
    def of_reply(cls, reply: ModelReply) -> "Charge":
        """Return the tokens and the cost of a model's reply."""
        return cls(
            input_tokens=reply.input_tokens, output_tokens=reply.output_tokens, cost_micros=reply.cost_micros
        )


class Ended(BaseModel):
    """The result of a step that ends its execution; `charge` is what the step cost nevertheless."""

    type: Literal["ended"] = "ended"
    completion: Completion
    charge: Charge | None = None


class AgentResult(BaseModel):
    """The result of a whole execution, for the one that waits for it. `status` is `closed` when it had ended before."""

    status: str
    output: str | None = None
    error: str | None = None
    charge: Charge = Charge()
    suspended_seconds: float = 0

    @property
    def is_completed(self) -> bool:
        return self.status == ExecutionStatus.COMPLETED


@dataclass(frozen=True)
class FenceVerdict:
    """The execution's row, and its completion if it must end before it has another effect."""

    row: AgentExecutionRow
    completion: Completion | None = None


def check_fence(context: ExecutionContext) -> FenceVerdict:
    """Return the execution's row, and the completion as cancelled when it must not have another effect.

    That is so once it, or an execution that waits for it, has ended or is to be cancelled, or its agent is gone.
    """
    contexts = context.with_ancestors()
    keys = [key for above in contexts for key in (above.key, above.workflow_execution_key) if key]
    agent_key = AgentRow.at(context.organization_id, context.agent_id)
    rows_by_key = table.get_many([*keys, agent_key])
    if agent_key not in rows_by_key:
        deleted = Completion.with_error(ExecutionStatus.CANCELLED, "agent_deleted", "The agent was deleted")
        return FenceVerdict(context.load_row(), deleted)
    for key in keys:
        each = rows_by_key.get(key)
        if not isinstance(each, ExecutionRow) or not lifecycle.may_continue(each):
            return FenceVerdict(context.load_row(), Completion.cancelled())
    row = rows_by_key[context.key]
    assert isinstance(row, AgentExecutionRow)
    return FenceVerdict(row)


def record_step(
    row: AgentExecutionRow, step: AgentExecutionStep, result: Any, cost_micros: int | None = None
) -> None:
    """Write the row of a step with its result, a JSON value. Idempotent: a repeated step writes the same row."""
    organization_id = UUID(row.organization_id)
    pk, sk = AgentStepRow.at(organization_id, UUID(row.id), step.number)
    text = None
    if result is not None:
        name = f"runs/{row.id}/step-{step.number}"
        text = payloads.store(organization_id, name, json.dumps(result), payloads.EXECUTION_DAYS)
    values: dict[str, Any] = {"result": text, "cost_micros": cost_micros, "ttl": row.ttl}
    table.put(AgentStepRow.of(step, pk=pk, sk=sk, **values), ACTOR)
