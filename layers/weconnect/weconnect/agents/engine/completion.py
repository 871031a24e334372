"""The end of an agent's execution, whatever its status. It is written once and never changes."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel
from pynamodb.expressions.condition import Condition

from weconnect import clock
from weconnect.actor import Actor
from weconnect.agents import statistics
from weconnect.agents.entities import OPEN_STATUSES, AgentExecutionStatus
from weconnect.agents.rows import AgentExecutionRow, AgentStepRow
from weconnect.agents.statistics import ExecutionTotals
from weconnect.approvals import service as approvals
from weconnect.db import payloads, table
from weconnect.errors import Conflict, NotFound

INLINE_BYTES = (
    4_000  # three indexes hold a copy of the execution's row: longer texts are stored outside of it
)
ACTOR: Actor = {"system": "runs"}


class AgentOutcome(BaseModel):
    """The final status of an execution, with its output or error."""

    status: AgentExecutionStatus
    output: str | None = None
    is_structured: bool = False
    error: str | None = None
    code: str | None = None


CANCELLED = AgentOutcome(
    status=AgentExecutionStatus.CANCELLED, error="The execution was cancelled", code="cancelled"
)


def finish(
    row: AgentExecutionRow,
    outcome: AgentOutcome,
    *,
    suspended_seconds: float = 0,
    totals: ExecutionTotals | None = None,
    condition: Condition | None = None,
) -> bool:
    """Finish an execution and count it, in one transaction; return False when it had already finished.

    Its execution time leaves out `suspended_seconds`. Without `totals` they are summed up from its steps.
    """
    moment = clock.now()
    organization_id = UUID(row.organization_id)
    started = datetime.fromisoformat(row.started_at) if row.started_at else moment
    milliseconds = max(0, int(((moment - started).total_seconds() - suspended_seconds) * 1000))
    if totals is None:
        totals = _sum_steps(row)
    values = {
        "status": outcome.status.value,
        "output": _store_output(row, outcome.output),
        "error": outcome.error,
        "error_code": outcome.code,
        "is_structured": outcome.is_structured,
        "waiting_for": None,
        "finished_at": clock.iso(moment),
        "execution_time": milliseconds,
        **totals,
        **row.index_keys(outcome.status, milliseconds),
    }
    is_open = AgentExecutionRow.status.is_in(*[status.value for status in OPEN_STATUSES])
    for counts in (True, False):  # an agent that was moved to the trash meanwhile is not counted
        writes = table.Transaction(ACTOR)
        writes.change(row, values, condition=is_open if condition is None else is_open & condition)
        if counts:
            statistics.count_execution(writes, row, outcome.status, milliseconds, totals)
        approval_ids = [UUID(approval_id) for approval_id in row.waiting_for or []]
        try:
            writes.commit()
            approvals.withdraw(organization_id, approval_ids, ACTOR)
            return True
        except NotFound:
            continue
        except Conflict:
            break
    return False


def count_days_left(row: AgentExecutionRow) -> int:
    """Return the days until the execution's row expires, which is how long its texts are kept; at least 1."""
    return max(1, -((clock.epoch_seconds() - int(row.ttl or 0)) // 86_400))


def _store_output(row: AgentExecutionRow, output: str | None) -> payloads.StoredText | None:
    """Return the output as the row holds it; a long one is stored in S3. None for none."""
    if output is None:
        return None
    name = f"runs/{row.id}/output"
    return payloads.store(UUID(row.organization_id), name, output, count_days_left(row), INLINE_BYTES)


def _sum_steps(row: AgentExecutionRow) -> ExecutionTotals:
    """Return the totals of an execution that did not finish by itself; empty when it asked no model."""
    pk, prefix = AgentStepRow.of_execution(UUID(row.organization_id), UUID(row.id))
    steps = AgentStepRow.query(pk, AgentStepRow.sk.startswith(prefix), consistent_read=True)
    requests = [step for step in steps if step.type == "model"] if row.started_at else []
    if not requests:
        return {}
    costs = [int(step.cost_micros) for step in requests if step.cost_micros is not None]
    return {
        "input_tokens": sum(int(step.input_tokens or 0) for step in requests),
        "output_tokens": sum(int(step.output_tokens or 0) for step in requests),
        "cost_micros": sum(costs) if len(costs) == len(requests) else None,
    }
