"""Statistics of an agent's finished executions, incremented in the transaction that finishes an execution.

Times are counted in buckets whose bounds grow by a factor of 1.1, so that a percentile is within 5 % of the exact one.
"""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, TypedDict
from uuid import UUID

from weconnect import clock
from weconnect.agents.entities import AgentExecutionTimes, AgentModelStats, AgentStats
from weconnect.agents.errors import AgentNotFound
from weconnect.agents.rows import BUCKETS, AgentExecutionRow, AgentRow, AgentStatsRow
from weconnect.api.caller import Caller
from weconnect.db import table
from weconnect.executions.entities import OPEN_STATUSES, ExecutionStatus

BUCKET_RATIO = 1.1


class ExecutionTotals(TypedDict, total=False):
    """The usage of an execution; `cost_micros` is USD * 10^6, None when a price is unknown."""

    input_tokens: int
    output_tokens: int
    cost_micros: int | None
    metadata: dict[str, Any]


def count_execution(writes: table.Transaction, row: AgentExecutionRow, values: Mapping[str, Any]) -> None:
    """Add an execution to its agent's and its model's counters, by the `values` that it ends with.

    The transaction raises AgentNotFound when the agent's row is gone.
    """
    organization_id, agent_id = UUID(row.organization_id), UUID(row.agent_id)
    milliseconds = values["execution_time"]
    is_without_price = "cost_micros" in values and values["cost_micros"] is None
    used: dict[str, float] = {
        "input_tokens": values.get("input_tokens") or 0,
        "output_tokens": values.get("output_tokens") or 0,
        "cost_micros": values.get("cost_micros") or 0,
        "without_price": 1 if is_without_price else 0,
    }
    head = AgentRow(*AgentRow.at(organization_id, agent_id))
    counters = {"total_executions": 1, values["status"]: 1, "total_time": milliseconds, **used}
    writes.touch(head, counters, {"last_executed_at": clock.iso(clock.now())}, if_missing=AgentNotFound())
    metadata = row.metadata or {}
    provider, model = metadata.get("provider") or "", metadata.get("model") or ""
    stats = AgentStatsRow(*AgentStatsRow.at(organization_id, agent_id, provider, model))
    writes.increment_all(
        stats, {"runs": 1, bucket_name(milliseconds): 1, **used}, {"provider": provider, "model": model}
    )


def load_statistics(caller: Caller, agent_id: UUID) -> AgentStats:
    """Return counts, tokens, cost and times over all finished executions. Raises AgentNotFound."""
    head = table.require(AgentRow, AgentRow.at(caller.organization_id, agent_id), AgentNotFound)
    pk, prefix = AgentStatsRow.of_agent(caller.organization_id, agent_id)
    rows = list(AgentStatsRow.query(pk, AgentStatsRow.sk.startswith(prefix), consistent_read=True))
    counts_by_bucket: Counter[int] = Counter()
    for row in rows:
        counts_by_bucket.update({number: int(getattr(row, name) or 0) for number, name in enumerate(BUCKETS)})
    finished = [status for status in ExecutionStatus if status not in OPEN_STATUSES]
    values = head.rates() | {
        "agent_id": agent_id,
        "runs": {status.value: int(getattr(head, status)) for status in finished},
        "input_tokens": head.input_tokens,
        "output_tokens": head.output_tokens,
        "cost_usd": head.cost_micros / 1e6,
        "runs_without_price": head.without_price,
        "last_executed_at": head.last_executed_at,
        "execution_time": AgentExecutionTimes(
            p50=percentile(counts_by_bucket, 50),
            p95=percentile(counts_by_bucket, 95),
            p99=percentile(counts_by_bucket, 99),
        ),
        "models": [_to_model_stats(row) for row in rows],
    }
    return AgentStats.model_validate(values, by_name=True)


def bucket_name(milliseconds: int) -> str:
    """Return the bucket of an execution time; the first is for 0, the last for all above a day and a half."""
    number = 1 + math.floor(math.log(milliseconds, BUCKET_RATIO)) if milliseconds >= 1 else 0
    return BUCKETS[min(number, len(BUCKETS) - 1)]


def percentile(counts_by_bucket: Counter[int], percent: int) -> float | None:
    """Return the milliseconds that `percent` of the executions did not exceed (nearest rank); None without any."""
    rank = math.ceil(counts_by_bucket.total() * percent / 100)
    for number in sorted(counts_by_bucket):
        rank -= counts_by_bucket[number]
        if rank <= 0 and counts_by_bucket[number]:
            return round(BUCKET_RATIO ** (number - 0.5), 3) if number else 0
    return None


def _to_model_stats(row: AgentStatsRow) -> AgentModelStats:
    """Return the statistics of an agent with one model, with the cost in USD."""
    return AgentModelStats(
        provider=row.provider or "",
        model=row.model or "",
        runs=row.runs,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        cost_usd=row.cost_micros / 1e6,
        runs_without_price=row.without_price,
    )
