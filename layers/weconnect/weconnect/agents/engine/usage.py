"""The tokens, money and time that an execution has used, and the limits of a single execution."""

import itertools
from dataclasses import dataclass, field

from pydantic import BaseModel

from weconnect import clock
from weconnect.agents.engine.execution_context import AgentSnapshot, Charge
from weconnect.executions.entities import ExecutionStatus
from weconnect.executions.results import Completion
from weconnect.models.messages import ModelReply


class BudgetShare(BaseModel):
    """The tokens and USD * 10^6 that a nested execution may use; None means unlimited."""

    max_tokens: int | None = None
    max_cost_micros: int | None = None


@dataclass
class Usage:
    """Sums over an execution's model requests, nested executions included.

    `cost_micros` is USD * 10^6, None once a model's price was unknown. `suspended_seconds` is the time spent waiting
    for approvals and workflows, which does not count towards the timeout. `step_numbers` numbers the steps.
    """

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int | None = 0
    suspended_seconds: float = 0
    tools_used: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    step_numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def add_reply(self, reply: ModelReply) -> None:
        """Count a model request that was answered, with its charge and its warnings."""
        self.requests += 1
        self.add_warnings(reply.warnings)
        self.add_charge(Charge.of_reply(reply))

    def add_charge(self, charge: Charge) -> None:
        """Add tokens and cost to the sums, also those of a request that brought no reply."""
        self.input_tokens += charge.input_tokens
        self.output_tokens += charge.output_tokens
        is_price_known = self.cost_micros is not None and charge.cost_micros is not None
        self.cost_micros = (self.cost_micros or 0) + (charge.cost_micros or 0) if is_price_known else None

    def add_warnings(self, warnings: list[str]) -> None:
        """Add the warnings that are not there yet."""
        self.warnings += [warning for warning in warnings if warning not in self.warnings]

    def total_charge(self) -> Charge:
        """Return the sums as one charge, for the execution that called this one."""
        return Charge(
            input_tokens=self.input_tokens, output_tokens=self.output_tokens, cost_micros=self.cost_micros
        )

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


def seconds_left(snapshot: AgentSnapshot, usage: Usage) -> float:
    """Return the seconds until the execution's timeout; time spent suspended does not count."""
    timeout_seconds = snapshot.definition.limits.timeout_seconds
    return timeout_seconds + usage.suspended_seconds - (clock.now().timestamp() - snapshot.started)


def find_exceeded_limit(snapshot: AgentSnapshot, usage: Usage) -> Completion | None:
    """Return the completion of an execution that has reached a limit; None when it may ask its model again.

    Fails closed: where money is limited, a model with an unknown price is not asked.
    """
    limits = snapshot.definition.limits
    if seconds_left(snapshot, usage) <= 0:
        error = f"The execution took longer than {limits.timeout_seconds} s"
        return Completion.with_error(ExecutionStatus.TIMEOUT, "timeout", error)
    max_tokens, max_cost_micros = _limits(snapshot)
    if usage.requests >= limits.max_steps:
        return budget_exceeded(f"{limits.max_steps} model requests")
    if max_tokens is not None and usage.tokens >= max_tokens:
        return budget_exceeded(f"{max_tokens} tokens")
    if max_cost_micros is not None and usage.cost_micros is None:
        return budget_exceeded(
            f"{max_cost_micros / 1e6:g} USD cannot be enforced: the model's price is unknown"
        )
    if max_cost_micros is not None and (usage.cost_micros or 0) >= max_cost_micros:
        return budget_exceeded(f"{max_cost_micros / 1e6:g} USD")
    return None


def split_remaining_budget(snapshot: AgentSnapshot, usage: Usage, shares: int) -> BudgetShare:
    """Return what is left of the execution's budget, divided by the number of nested executions that share it."""
    max_tokens, max_cost_micros = _limits(snapshot)
    share = BudgetShare()
    if max_tokens is not None:
        share.max_tokens = max(0, max_tokens - usage.tokens) // shares
    if max_cost_micros is not None:
        left = 0 if usage.cost_micros is None else max(0, max_cost_micros - usage.cost_micros)
        share.max_cost_micros = left // shares
    return share


def budget_exceeded(limit: str) -> Completion:
    """Return the completion of an execution that has used up a budget; `limit` names it."""
    return Completion.failed("budget_exceeded", f"Budget exceeded: {limit}")


def _limits(snapshot: AgentSnapshot) -> tuple[int | None, int | None]:
    """Return the tokens and USD * 10^6 that the agent's limits and its share of a caller's budget allow."""
    limits = snapshot.definition.limits
    max_cost_micros = None if limits.max_cost_usd is None else int(limits.max_cost_usd * 1e6)
    return (
        _find_smallest(limits.max_tokens, snapshot.max_tokens),
        _find_smallest(max_cost_micros, snapshot.max_cost_micros),
    )


def _find_smallest(*bounds: int | None) -> int | None:
    """Return the smallest bound that is not None; None when nothing is bounded."""
    return min((bound for bound in bounds if bound is not None), default=None)
