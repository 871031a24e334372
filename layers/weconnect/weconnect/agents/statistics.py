"""Statistics of an agent's finished executions.

The transaction that ends an execution notes its numbers in a row of its own, and a second one adds what is noted to the
counters. So executions that end at the same time do not collide in their ends, and one of them counts for the others.
Times are counted in buckets whose bounds grow by a factor of 1.1, so that a percentile is within 5 % of the exact one.
"""

import math
import random
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, TypedDict
from uuid import UUID

from weconnect import clock
from weconnect.agents.entities import AgentExecutionTimes, AgentModelStats, AgentStats
from weconnect.agents.errors import AgentNotFound
from weconnect.agents.rows import BUCKETS, AgentExecutionRow, AgentRow, AgentStatsRow, EndedExecutionRow
from weconnect.api.caller import Caller
from weconnect.db import table
from weconnect.errors import Conflict, Unavailable
from weconnect.executions.entities import OPEN_STATUSES, ExecutionStatus
from weconnect.executions.lifecycle import ACTOR
from weconnect.log import logger

BUCKET_RATIO = 1.1
MAX_COUNTED_AT_ONCE = (
    40  # a transaction has at most 100 writes: two for an execution, with a model of its own
)
MAX_COLLISIONS = 30
USAGE_FIELDS = ("input_tokens", "output_tokens", "cost_micros", "without_price")


class ExecutionTotals(TypedDict, total=False):
    """The usage of an execution; `cost_micros` is USD * 10^6, None when a price is unknown."""

    input_tokens: int
    output_tokens: int
    cost_micros: int | None
    metadata: dict[str, Any]


def note_execution(writes: table.Transaction, row: AgentExecutionRow, values: Mapping[str, Any]) -> None:
    """Note the numbers of an execution, in the transaction that ends it with `values`; `count_noted` counts them."""
    metadata = row.metadata or {}
    pk, sk = EndedExecutionRow.at(UUID(row.organization_id), UUID(row.agent_id), UUID(row.id))
    noted = EndedExecutionRow(
        pk=pk,
        sk=sk,
        status=values["status"],
        provider=metadata.get("provider") or "",
        model=metadata.get("model") or "",
        execution_time=values["execution_time"],
        input_tokens=values.get("input_tokens") or 0,
        output_tokens=values.get("output_tokens") or 0,
        cost_micros=values.get("cost_micros") or 0,
        without_price=int("cost_micros" in values and values["cost_micros"] is None),
    )
    writes.put(noted)


def count_noted(organization_id: UUID, agent_id: UUID, execution_id: UUID | None = None) -> None:
    """Add what was noted about an agent's executions to its counters and its models', each execution once.

    One transaction counts all that is noted. Another one at the same time may have counted the execution as well:
    then nothing is left to do. What could not be counted is counted at the next end, or when the statistics are read.
    """
    for attempt in range(MAX_COLLISIONS):
        limit = 2 if attempt == 0 else MAX_COUNTED_AT_ONCE
        noted = _list_noted(organization_id, agent_id, limit)
        if not noted:
            return
        try:
            if len(noted) < limit:
                _count(organization_id, agent_id, noted)
                return
            if attempt > 0:
                _count(organization_id, agent_id, noted)
        except AgentNotFound:  # it is in the trash, and its executions count no more
            for row in noted:
                row.delete()
        except (Conflict, Unavailable):
            pass  # others count the same at the same time
        # Several end now: whoever is the first after this counts for all.
        time.sleep(random.uniform(0, 0.1 * 2 ** min(attempt, 4)))
        if execution_id and not table.get_many(
            [EndedExecutionRow.at(organization_id, agent_id, execution_id)]
        ):
            return
    logger.warning("executions of an agent not counted yet", agent_id=str(agent_id))


def _list_noted(organization_id: UUID, agent_id: UUID, limit: int) -> list[EndedExecutionRow]:
    """Return the oldest executions of an agent that are noted and not counted, at most `limit`."""
    pk, prefix = EndedExecutionRow.of_agent(organization_id, agent_id)
    is_noted = EndedExecutionRow.sk.startswith(prefix)
    return list(EndedExecutionRow.query(pk, is_noted, consistent_read=True, limit=limit))


def _count(organization_id: UUID, agent_id: UUID, noted: list[EndedExecutionRow]) -> None:
    """Count executions in one transaction, which also deletes what was noted.

    Raises AgentNotFound, Conflict when one was counted, and Unavailable when another transaction counts.
    """
    total: Counter[str] = Counter()
    totals_by_model: dict[tuple[str, str], Counter[str]] = {}
    for row in noted:
        used = {name: int(getattr(row, name)) for name in USAGE_FIELDS}
        total.update({"total_executions": 1, row.status: 1, "total_time": int(row.execution_time), **used})
        of_model = totals_by_model.setdefault((row.provider, row.model), Counter())
        of_model.update({"runs": 1, bucket_name(int(row.execution_time)): 1, **used})
    writes = table.Transaction(ACTOR)
    for row in noted:
        writes.delete(row)
    head = AgentRow(*AgentRow.at(organization_id, agent_id))
    writes.touch(head, total, {"last_executed_at": clock.iso(clock.now())}, if_missing=AgentNotFound())
    for (provider, model), numbers in totals_by_model.items():
        stats = AgentStatsRow(*AgentStatsRow.at(organization_id, agent_id, provider, model))
        writes.increment_all(stats, numbers, {"provider": provider, "model": model})
    writes.commit(attempts=1)


def load_statistics(caller: Caller, agent_id: UUID) -> AgentStats:
    """Return counts, tokens, cost and times over all finished executions. Raises AgentNotFound."""
    count_noted(caller.organization_id, agent_id)
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
