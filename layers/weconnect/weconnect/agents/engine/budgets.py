"""Budgets that many runs share: what an agent, and all agents of an organization, may use in a calendar month (UTC).

Before a model request its bound (the most that it can use) is reserved, after it what it used takes the reservation's
place. A request is let in only while less than the budget is used or reserved; so however many runs ask at once, a
budget is passed by no more than the request that was let in last. What was reserved for a request that never came back
stays charged.

A run has one request in flight, so its reservation stands under its id: asking again after a crash reserves nothing
twice.
"""

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from weconnect import clock
from weconnect.agents.rows import BudgetRow
from weconnect.db import counters

KEEP_SECONDS = 400 * 86_400
PATIENCE_SECONDS = 30.0  # how long a request waits for others' reservations to be settled


@dataclass(frozen=True)
class Amount:
    """Tokens and USD * 10^6."""

    tokens: int
    micros: int


@dataclass(frozen=True)
class Budget:
    """A month's budget at (pk, sk); None is no limit."""

    owner: str
    at: tuple[str, str]
    max_tokens: int | None
    max_micros: int | None

    def left(self, item: dict[str, Any], kind: str) -> bool:
        """Whether `spent` or `committed` in the row's item is below the budget."""
        tokens, micros = counters.number(item, f"{kind}Tokens"), counters.number(item, f"{kind}Micros")
        return (self.max_tokens is None or tokens < self.max_tokens) and (
            self.max_micros is None or micros < self.max_micros
        )

    def __str__(self) -> str:
        bounds = [f"{self.max_tokens} tokens"] if self.max_tokens is not None else []
        bounds += [f"{self.max_micros / 1e6:g} USD"] if self.max_micros is not None else []
        return f"{' and '.join(bounds)} a month for the {self.owner}"


class UsedUp(Exception):
    """A budget lets no request in; the text names it."""


class Reserved(UsedUp):
    """What is left of a budget is reserved by requests of other runs, and may come back."""


def of_month(
    organization_id: UUID,
    agent_id: UUID | None,
    max_tokens: int | None,
    max_cost_usd: float | None,
) -> Budget | None:
    """This month's budget of an agent, or of an organization when there is no agent; None when nothing is limited."""
    if max_tokens is None and max_cost_usd is None:
        return None
    at = BudgetRow.at(organization_id, agent_id, clock.now().strftime("%Y-%m"))
    micros = None if max_cost_usd is None else int(max_cost_usd * 1e6)
    return Budget("agent" if agent_id else "organization", at, max_tokens, micros)


def reserve(budgets: list[Budget], run_id: UUID, bound: Amount, patience: float = PATIENCE_SECONDS) -> None:
    """Reserve `bound` in each budget; raises UsedUp when one is, and then nothing is reserved."""
    for number, budget in enumerate(budgets):
        try:
            _reserve(budget, run_id, bound, patience)
        except UsedUp:
            for taken in budgets[:number]:
                _settle(taken, run_id, bound, Amount(0, 0))
            raise


def settle(budgets: list[Budget], run_id: UUID, bound: Amount, used: Amount) -> None:
    """Put what was used in the place of what was reserved; once, however often it is asked."""
    for budget in budgets:
        _settle(budget, run_id, bound, used)


def _reserve(budget: Budget, run_id: UUID, bound: Amount, patience: float) -> None:
    mine, pause = f"r{run_id.hex}", 0.05
    values: dict[str, counters.Value] = {
        ":kind": BudgetRow.kind_name(),
        ":ttl": clock.epoch() + KEEP_SECONDS,
        ":tokens": bound.tokens,
        ":micros": bound.micros,
        ":bound": {"tokens": bound.tokens, "micros": bound.micros},
    }
    conditions = [f"attribute_not_exists({mine})"]
    for name, limit in (("Tokens", budget.max_tokens), ("Micros", budget.max_micros)):
        if limit is not None:
            values[f":max{name}"] = limit
            conditions.append(f"(attribute_not_exists(committed{name}) OR committed{name} < :max{name})")
    request = counters.update(
        budget.at,
        f"SET kind = :kind, #ttl = :ttl, {mine} = :bound ADD committedTokens :tokens, committedMicros :micros",
        values,
        " AND ".join(conditions),
    )
    request |= {
        "ExpressionAttributeNames": {"#ttl": "ttl"},
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }
    while True:
        try:
            counters.send(request, attempts=3)
            return
        except counters.Refused as refused:
            if mine in refused.item:
                return  # reserved before a crash
            if not budget.left(refused.item, "spent"):
                raise UsedUp(str(budget)) from None
            if patience <= 0:
                raise Reserved(f"{budget}, the rest of it reserved by other requests") from None
        time.sleep(min(pause, patience))
        patience, pause = patience - pause, min(2.0, pause * 1.5)


def _settle(budget: Budget, run_id: UUID, bound: Amount, used: Amount) -> None:
    mine = f"r{run_id.hex}"
    values: dict[str, counters.Value] = {
        ":lessTokens": used.tokens - bound.tokens,
        ":lessMicros": used.micros - bound.micros,
        ":tokens": used.tokens,
        ":micros": used.micros,
    }
    expression = (
        f"REMOVE {mine} ADD committedTokens :lessTokens, committedMicros :lessMicros,"
        " spentTokens :tokens, spentMicros :micros"
    )
    try:
        counters.send(counters.update(budget.at, expression, values, f"attribute_exists({mine})"), attempts=3)
    except counters.Refused:
        return  # settled before a crash
