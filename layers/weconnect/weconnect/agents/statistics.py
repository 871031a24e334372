"""The numbers of an agent's finished runs. They move by `ADD` in the transaction that ends a run.

Times are counted in buckets whose bounds grow by 1.1, so that a percentile is within 5 % of the exact one.
"""

import math
from collections import Counter
from typing import Any
from uuid import UUID

from weconnect import clock
from weconnect.agents import service
from weconnect.agents.entities import OPEN, AgentStats, ExecutionStatus, ExecutionTimes, ModelStats
from weconnect.agents.rows import BUCKETS, AgentRow, AgentStatsRow, ExecutionRow
from weconnect.api.caller import Caller
from weconnect.db import table
from weconnect.errors import NotFound

RATIO = 1.1


def count(
    writes: table.Transaction,
    row: ExecutionRow,
    status: ExecutionStatus,
    milliseconds: int,
    totals: dict[str, Any],
) -> None:
    """Count a run that ends, in its agent and with its model; refused (NotFound) when the agent is not there."""
    organization_id, agent_id = UUID(row.organization_id), UUID(row.agent_id)
    used = {
        "input_tokens": totals.get("input_tokens") or 0,
        "output_tokens": totals.get("output_tokens") or 0,
        "cost_micros": totals.get("cost_micros") or 0,
        "without_price": 1 if totals and totals.get("cost_micros") is None else 0,
    }
    head = AgentRow(*AgentRow.at(organization_id, agent_id))
    counted = {"total_executions": 1, status.value: 1, "total_time": milliseconds, **used}
    writes.touch(head, counted, {"last_executed_at": clock.iso(clock.now())}, missing=NotFound())
    metadata = row.metadata or {}
    provider, model = metadata.get("provider") or "", metadata.get("model") or ""
    stats = AgentStatsRow(*AgentStatsRow.at(organization_id, agent_id, provider, model))
    writes.add(stats, {"runs": 1, bucket(milliseconds): 1, **used}, {"provider": provider, "model": model})


def of_agent(caller: Caller, agent_id: UUID) -> AgentStats:
    """Counts, tokens, cost and times over all finished runs."""
    head = service.need(caller, agent_id)
    pk, prefix = AgentStatsRow.of_agent(caller.organization_id, agent_id)
    rows = list(AgentStatsRow.query(pk, AgentStatsRow.sk.startswith(prefix), consistent_read=True))
    times: Counter[int] = Counter()
    for row in rows:
        times.update({number: int(getattr(row, name) or 0) for number, name in enumerate(BUCKETS)})
    return AgentStats(
        agent_id=agent_id,
        runs={status.value: int(getattr(head, status)) for status in ExecutionStatus if status not in OPEN},
        input_tokens=head.input_tokens,
        output_tokens=head.output_tokens,
        cost_usd=head.cost_micros / 1e6,
        runs_without_price=head.without_price,
        last_executed_at=head.last_executed_at,
        execution_time=ExecutionTimes(
            p50=percentile(times, 50), p95=percentile(times, 95), p99=percentile(times, 99)
        ),
        models=[_of_model(row) for row in rows],
        **head.rates(),
    )


def bucket(milliseconds: int) -> str:
    """The bucket of a time: the first for nothing, the last for all that is longer than a day and a half."""
    number = 1 + math.floor(math.log(milliseconds, RATIO)) if milliseconds >= 1 else 0
    return BUCKETS[min(number, len(BUCKETS) - 1)]


def percentile(times: Counter[int], percent: int) -> float | None:
    """The time that `percent` of the runs did not pass (nearest rank), from the counts of the buckets."""
    rank = math.ceil(times.total() * percent / 100)
    for number in sorted(times):
        rank -= times[number]
        if rank <= 0 and times[number]:
            return round(RATIO ** (number - 0.5), 3) if number else 0
    return None


def _of_model(row: AgentStatsRow) -> ModelStats:
    return ModelStats(
        provider=row.provider,
        model=row.model,
        runs=row.runs,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        cost_usd=row.cost_micros / 1e6,
        runs_without_price=row.without_price,
    )
