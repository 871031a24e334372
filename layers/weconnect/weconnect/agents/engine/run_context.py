"""What the steps of a run share: which run it is, what it works with, what it has used, and its fence."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from weconnect import clock
from weconnect.agents.engine import executions
from weconnect.agents.entities import OPEN, AgentDefinition, ExecutionStatus, ExecutionStep
from weconnect.agents.models.messages import Message, ModelReply
from weconnect.agents.rows import AgentRow, ExecutionRow, StepRow
from weconnect.agents.tools.invocation import Tool
from weconnect.db import payloads, table

ACTOR = {"system": "run_agent"}
ENDED = frozenset(status.value for status in ExecutionStatus if status not in OPEN)


@dataclass(frozen=True)
class Run:
    """Which run this is, and whose tool call it is, if it is one; `within` is the key of a workflow's run that it is
    part of.
    """

    organization_id: UUID
    agent_id: UUID
    id: UUID
    parent: "Run | None" = None
    within: tuple[str, str] | None = None

    @property
    def key(self) -> tuple[str, str]:
        return ExecutionRow.at(self.organization_id, self.agent_id, self.id)

    def row(self) -> ExecutionRow:
        """The run as it stands now."""
        return table.need(ExecutionRow, self.key, "execution")

    def family(self) -> "Iterator[Run]":
        """This run and those that wait for it."""
        yield self
        if self.parent:
            yield from self.parent.family()


class Pinned(BaseModel):
    """What a run begins with; it sees no later change of the agent, its tools, its memory or its organization.

    `recalled` is what memory adds to the system prompt. `most_tokens` and `most_micros` are what a calling run has left
    for it, the `organization_` ones its month's budget.
    """

    user_id: UUID
    session_id: str | None
    input: str
    started: float
    definition: AgentDefinition
    tools: list[Tool]
    recalled: str
    history: list[Message]
    most_tokens: int | None = None
    most_micros: int | None = None
    organization_tokens: int | None = None
    organization_cost_usd: float | None = None
    may_run_workflows: bool = False


@dataclass
class Spent:
    """Sums over a run's model requests, nested runs included. `micros` is None once a price was not known.

    `waited` are the seconds that went by while somebody was asked; `numbers` counts the run's steps.
    """

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    micros: int | None = 0
    waited: float = 0
    tools: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def answered(self, reply: ModelReply) -> None:
        """A model request that brought an answer."""
        self.requests += 1
        self.warn(reply.warnings)
        self.billed(reply.input_tokens, reply.output_tokens, reply.cost_micros)

    def billed(self, input_tokens: int, output_tokens: int, micros: int | None) -> None:
        """What has to be paid, for an answer or not."""
        self.input_tokens += input_tokens
        self.output_tokens += output_tokens
        known = self.micros is not None and micros is not None
        self.micros = (self.micros or 0) + (micros or 0) if known else None

    def warn(self, warnings: list[str]) -> None:
        self.warnings += [warning for warning in warnings if warning not in self.warnings]

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


class Outcome(BaseModel):
    """How a run ends."""

    status: ExecutionStatus
    output: str | None = None
    structured: bool = False
    error: str | None = None
    code: str | None = None

    def ended(self) -> dict[str, Any]:
        """The value of a step that ends its run."""
        return {"ended": self.model_dump(mode="json")}


CANCELLED = Outcome(status=ExecutionStatus.CANCELLED, error="The run was cancelled", code="cancelled")


def fence(run: Run) -> tuple[ExecutionRow, Outcome | None]:
    """The run's row, and how it ends here: nothing has an effect once it, or a run that waits for it, is to stop.

    It is also to stop once its agent is gone.
    """
    family = [key for member in run.family() for key in (member.key, member.within) if key]
    agent = AgentRow.at(run.organization_id, run.agent_id)
    found = table.get_many([*family, agent])
    if agent not in found:
        error = "The agent was deleted"
        return run.row(), Outcome(status=ExecutionStatus.CANCELLED, error=error, code="agent_deleted")
    for key in family:
        row: Any = found.get(key)
        if row is None or row.cancel_requested_at or row.status in ENDED:
            return run.row(), CANCELLED
    return found[run.key], None  # type: ignore[return-value]


def seconds_left(pinned: Pinned, spent: Spent) -> float:
    """Of the run's own time, in which it was not waiting for somebody."""
    return (
        pinned.definition.limits.timeout_seconds + spent.waited - (clock.now().timestamp() - pinned.started)
    )


def over_budget(pinned: Pinned, spent: Spent) -> Outcome | None:
    """Whether the run may ask its model again; it fails closed."""
    limits = pinned.definition.limits
    if seconds_left(pinned, spent) <= 0:
        seconds = f"The run took longer than {limits.timeout_seconds} s"
        return Outcome(status=ExecutionStatus.TIMEOUT, error=seconds, code="timeout")
    max_micros = None if limits.max_cost_usd is None else int(limits.max_cost_usd * 1e6)
    max_micros, max_tokens = (
        _least(max_micros, pinned.most_micros),
        _least(limits.max_tokens, pinned.most_tokens),
    )
    if spent.requests >= limits.max_steps:
        return used_up(f"{limits.max_steps} model requests")
    if max_tokens is not None and spent.tokens >= max_tokens:
        return used_up(f"{max_tokens} tokens")
    if max_micros is not None and spent.micros is None:
        return used_up(
            f"{max_micros / 1e6:g} USD: the model's price is not known, so the cost cannot be held"
        )
    if max_micros is not None and (spent.micros or 0) >= max_micros:
        return used_up(f"{max_micros / 1e6:g} USD")
    return None


def what_is_left(pinned: Pinned, spent: Spent, shares: int) -> tuple[int | None, int | None]:
    """Tokens and USD * 10^6 for each of so many nested runs at once; None is no limit."""
    limits = pinned.definition.limits
    max_micros = None if limits.max_cost_usd is None else int(limits.max_cost_usd * 1e6)
    max_micros, max_tokens = (
        _least(max_micros, pinned.most_micros),
        _least(limits.max_tokens, pinned.most_tokens),
    )
    tokens = None if max_tokens is None else max(0, max_tokens - spent.tokens) // shares
    if max_micros is None:
        return tokens, None
    return tokens, 0 if spent.micros is None else max(0, max_micros - spent.micros) // shares


def used_up(what: str) -> Outcome:
    """The end of a run that may not go on."""
    text = f"The budget is used up: {what}"
    return Outcome(status=ExecutionStatus.FAILED, error=text, code="budget_exceeded")


def journal(row: ExecutionRow, step: ExecutionStep, result: Any, micros: int | None = None) -> None:
    """Write the step's row; a repeated step writes the same row again."""
    organization_id = UUID(row.organization_id)
    pk, sk = StepRow.at(organization_id, UUID(row.id), step.number)
    text = None
    if result is not None:
        name = f"runs/{row.id}/step-{step.number}"
        text = payloads.store(organization_id, name, json.dumps(result), executions.days_left(row))
    values: dict[str, Any] = {"result": text, "cost_micros": micros, "ttl": row.ttl}
    table.put(StepRow.of(step, pk=pk, sk=sk, **values), ACTOR)


def _least(*bounds: int | None) -> int | None:
    return min((bound for bound in bounds if bound is not None), default=None)
