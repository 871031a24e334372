"""Execution limits as things that are read and set. How a run is counted against them stands in `limits`."""

from uuid import UUID

from weconnect import clock, ids
from weconnect.api.caller import Caller
from weconnect.auth.entities import ExecutionLimit, ExecutionLimitChanges, ExecutionLimits, LimitType
from weconnect.auth.rows import ExecutionLimitRow
from weconnect.db import table
from weconnect.errors import Stale
from weconnect.identity import periods
from weconnect.organizations.rows import MemberRow


def find(caller: Caller, user_id: UUID | None) -> ExecutionLimits:
    """The caller's limits, or another member's for holders of organization:manage."""
    if user_id and user_id != caller.user_id:
        caller.require("organization:manage")
        table.need(MemberRow, MemberRow.at(caller.organization_id, user_id), "member")
    at = [ExecutionLimitRow.at(caller.organization_id, user_id or caller.user_id, kind) for kind in LimitType]
    found = table.get_many(list(at))
    return ExecutionLimits(items=[_today(found[key].to_entity()) for key in at if key in found])


def put(
    caller: Caller, user_id: UUID, limit_type: LimitType, changes: ExecutionLimitChanges, if_match: int | None
) -> ExecutionLimit:
    """Set a member's limit in this organization. What was counted in the current period stays counted.

    A limit below that is taken: it counts as exceeded, and the next start is refused until a new period begins.
    """
    table.need(MemberRow, MemberRow.at(caller.organization_id, user_id), "member")
    at = ExecutionLimitRow.at(caller.organization_id, user_id, limit_type)
    row = table.get(ExecutionLimitRow, at)
    if row is None:
        if if_match is not None:
            raise Stale("There is no such limit yet")
        row = table.create(_row(caller, user_id, limit_type, changes), caller.actor())
    else:
        row = table.change(row, changes.model_dump(), caller.actor(), if_match=if_match)
    return _today(row.to_entity())


def delete(caller: Caller, user_id: UUID, limit_type: LimitType, if_match: int | None) -> None:
    """Remove a limit. One that is set again later begins at nothing."""
    at = ExecutionLimitRow.at(caller.organization_id, user_id, limit_type)
    row = table.need(ExecutionLimitRow, at, "execution limit")
    with table.transaction(caller.actor()) as writes:
        writes.delete(row, if_match=if_match)


def _row(
    caller: Caller, user_id: UUID, limit_type: LimitType, changes: ExecutionLimitChanges
) -> ExecutionLimitRow:
    moment = clock.now()
    start, end = periods.of(limit_type, moment)
    limit = ExecutionLimit(
        id=ids.new_id(),
        created_at=moment,
        updated_at=moment,
        organization_id=caller.organization_id,
        user_id=user_id,
        limit_type=limit_type,
        period_start=start,
        period_end=end,
        **changes.model_dump(),
    )
    pk, sk = ExecutionLimitRow.at(caller.organization_id, user_id, limit_type)
    # `limits` compares these as texts, so they are stored in the one form that sorts.
    return ExecutionLimitRow.of(limit, pk=pk, sk=sk, period_start=clock.iso(start), period_end=clock.iso(end))


def _today(limit: ExecutionLimit) -> ExecutionLimit:
    """The limit as it stands now: a period that has begun since the last run has counted nothing yet."""
    start, end = periods.of(limit.limit_type, clock.now())
    if limit.period_start >= start:
        return limit
    return limit.model_copy(update={"period_start": start, "period_end": end, "current_executions": 0})
