"""Budgets that many executions share: those of an agent, and of all agents of an organization, for a month (UTC).

Before a model request its bound (the most that it can cost) is reserved; after it the actual cost replaces the
reservation. A request is admitted only while less than the budget is used or reserved, so that however many executions
ask at once, a budget is exceeded by no more than the last admitted request. The reservation of a request whose function
died stays charged.

An execution has one request in flight, so its reservation is stored under its id: repeating the request after a crash
does not reserve twice.
"""

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from weconnect import clock
from weconnect.agents.rows import AgentBudgetRow
from weconnect.db import counters

KEEP_SECONDS = 400 * 86_400
PATIENCE_SECONDS = 30.0  # how long a request waits until others' reservations are settled


@dataclass(frozen=True)
class RequestCost:
    """Tokens and USD * 10^6."""

    tokens: int
    cost_micros: int


@dataclass(frozen=True)
class MonthlyBudget:
    """The budget of a month, whose row has the key (pk, sk); None means unlimited."""

    owner: str
    key: tuple[str, str]
    max_tokens: int | None
    max_cost_micros: int | None

    def has_room(self, item: dict[str, Any], kind: str) -> bool:
        """Return whether `spent` or `committed` of the row's item is below the budget."""
        tokens = counters.get_number(item, f"{kind}Tokens")
        cost_micros = counters.get_number(item, f"{kind}Micros")
        return (self.max_tokens is None or tokens < self.max_tokens) and (
            self.max_cost_micros is None or cost_micros < self.max_cost_micros
        )

    def __str__(self) -> str:
        limits = [f"{self.max_tokens} tokens"] if self.max_tokens is not None else []
        limits += [f"{self.max_cost_micros / 1e6:g} USD"] if self.max_cost_micros is not None else []
        return f"{' and '.join(limits)} a month for the {self.owner}"


class BudgetExceeded(Exception):
    """A budget admits no request; the text names the budget."""


class BudgetReserved(BudgetExceeded):
    """The rest of a budget is reserved by requests of other executions, and may become free again."""


def monthly_budget(
    organization_id: UUID,
    agent_id: UUID | None,
    max_tokens: int | None,
    max_cost_usd: float | None,
) -> MonthlyBudget | None:
    """Return this month's budget of an agent, or of the organization without an agent; None when nothing is limited."""
    if max_tokens is None and max_cost_usd is None:
        return None
    key = AgentBudgetRow.at(organization_id, agent_id, clock.now().strftime("%Y-%m"))
    max_cost_micros = None if max_cost_usd is None else int(max_cost_usd * 1e6)
    return MonthlyBudget("agent" if agent_id else "organization", key, max_tokens, max_cost_micros)


def reserve(
    budgets: list[MonthlyBudget],
    execution_id: UUID,
    bound: RequestCost,
    patience_seconds: float = PATIENCE_SECONDS,
) -> None:
    """Reserve `bound` in each budget. Raises BudgetExceeded, and then nothing is reserved."""
    for number, budget in enumerate(budgets):
        try:
            _reserve(budget, execution_id, bound, patience_seconds)
        except BudgetExceeded:
            for reserved in budgets[:number]:
                _settle(reserved, execution_id, bound, RequestCost(0, 0))
            raise


def settle(budgets: list[MonthlyBudget], execution_id: UUID, bound: RequestCost, cost: RequestCost) -> None:
    """Replace a reservation of `bound` by the actual cost in each budget. Idempotent."""
    for budget in budgets:
        _settle(budget, execution_id, bound, cost)


def _reserve(budget: MonthlyBudget, execution_id: UUID, bound: RequestCost, patience_seconds: float) -> None:
    """Reserve `bound` in one budget, waiting up to `patience_seconds` for room. Raises BudgetExceeded. Idempotent."""
    attribute, pause = f"r{execution_id.hex}", 0.05
    request = _reservation(budget, attribute, bound)
    while True:
        try:
            counters.send_update(request, attempts=3)
            return
        except counters.ConditionFailed as refused:
            if attribute in refused.item:
                return  # reserved before a crash
            if not budget.has_room(refused.item, "spent"):
                raise BudgetExceeded(str(budget)) from None
            if patience_seconds <= 0:
                raise BudgetReserved(f"{budget}, the rest of which other requests have reserved") from None
        time.sleep(min(pause, patience_seconds))
        patience_seconds, pause = patience_seconds - pause, min(2.0, pause * 1.5)


def _reservation(budget: MonthlyBudget, attribute: str, bound: RequestCost) -> dict[str, Any]:
    """Return the update that reserves `bound` under an attribute, unless the budget is used up or reserved."""
    values: dict[str, counters.CounterValue] = {
        ":kind": AgentBudgetRow.kind_name(),
        ":ttl": clock.epoch_seconds() + KEEP_SECONDS,
        ":tokens": bound.tokens,
        ":micros": bound.cost_micros,
        ":bound": {"tokens": bound.tokens, "micros": bound.cost_micros},
    }
    conditions = [f"attribute_not_exists({attribute})"]
    for name, limit in (("Tokens", budget.max_tokens), ("Micros", budget.max_cost_micros)):
        if limit is not None:
            values[f":max{name}"] = limit
            conditions.append(f"(attribute_not_exists(committed{name}) OR committed{name} < :max{name})")
    request = counters.update_request(
        budget.key,
        f"SET kind = :kind, #ttl = :ttl, {attribute} = :bound ADD committedTokens :tokens, committedMicros :micros",
        values,
        " AND ".join(conditions),
    )
    return request | {
        "ExpressionAttributeNames": {"#ttl": "ttl"},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _settle(budget: MonthlyBudget, execution_id: UUID, bound: RequestCost, cost: RequestCost) -> None:
    """Replace a reservation in one budget by the actual cost. Idempotent; does nothing without a reservation."""
    attribute = f"r{execution_id.hex}"
    values: dict[str, counters.CounterValue] = {
        ":lessTokens": cost.tokens - bound.tokens,
        ":lessMicros": cost.cost_micros - bound.cost_micros,
        ":tokens": cost.tokens,
        ":micros": cost.cost_micros,
    }
    expression = (
        f"REMOVE {attribute} ADD committedTokens :lessTokens, committedMicros :lessMicros,"
        " spentTokens :tokens, spentMicros :micros"
    )
    request = counters.update_request(budget.key, expression, values, f"attribute_exists({attribute})")
    try:
        counters.send_update(request, attempts=3)
    except counters.ConditionFailed:
        return  # settled before a crash
