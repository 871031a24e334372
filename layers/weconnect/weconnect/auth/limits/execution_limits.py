"""Execution limits: listed, set and deleted. `enforcement` counts executions against them."""

from uuid import UUID

from weconnect import clock, ids
from weconnect.api.caller import Caller
from weconnect.auth.errors import ExecutionLimitNotFound
from weconnect.auth.schemas import ExecutionLimitChanges, ExecutionLimits
from weconnect.db import table
from weconnect.errors import StaleVersion
from weconnect.identity import periods
from weconnect.identity.entities import ExecutionLimit, LimitType
from weconnect.identity.rows import ExecutionLimitRow
from weconnect.organizations.errors import MemberNotFound
from weconnect.organizations.rows import MemberRow


def find(caller: Caller, user_id: UUID | None) -> ExecutionLimits:
    """Return the caller's limits, or another member's for callers with organization:manage. Raises MemberNotFound."""
    if user_id and user_id != caller.user_id:
        caller.require_permission("organization:manage")
        table.require(MemberRow, MemberRow.at(caller.organization_id, user_id), MemberNotFound)
    keys = [
        ExecutionLimitRow.at(caller.organization_id, user_id or caller.user_id, limit_type)
        for limit_type in LimitType
    ]
    rows = table.get_many(keys)
    limits = [row.to_entity() for at in keys if isinstance(row := rows.get(at), ExecutionLimitRow)]
    return ExecutionLimits(items=[_in_current_period(limit) for limit in limits])


def put(
    caller: Caller, user_id: UUID, limit_type: LimitType, changes: ExecutionLimitChanges, if_match: int | None
) -> ExecutionLimit:
    """Set a member's limit in this organization; executions of the current period stay counted.

    A limit below the present count is accepted: it counts as exceeded, and no execution starts until the next period.
    Raises MemberNotFound.
    """
    table.require(MemberRow, MemberRow.at(caller.organization_id, user_id), MemberNotFound)
    at = ExecutionLimitRow.at(caller.organization_id, user_id, limit_type)
    row = table.get(ExecutionLimitRow, at)
    if row is None:
        if if_match is not None:
            raise StaleVersion("This limit does not exist yet. Leave out If-Match.")
        row = table.create(_build_row(caller, user_id, limit_type, changes), caller.actor())
    else:
        row = table.change(row, changes.model_dump(), caller.actor(), if_match=if_match)
    return _in_current_period(row.to_entity())


def delete(caller: Caller, user_id: UUID, limit_type: LimitType, if_match: int | None) -> None:
    """Delete a limit with its count; a limit that is set later starts at zero. Raises ExecutionLimitNotFound."""
    at = ExecutionLimitRow.at(caller.organization_id, user_id, limit_type)
    row = table.require(ExecutionLimitRow, at, ExecutionLimitNotFound)
    with table.transaction(caller.actor()) as writes:
        writes.delete(row, if_match=if_match)


def _build_row(
    caller: Caller, user_id: UUID, limit_type: LimitType, changes: ExecutionLimitChanges
) -> ExecutionLimitRow:
    """Return the row of a new limit for the caller to store; its count of the current period is zero."""
    moment = clock.now()
    start, end = periods.period_containing(limit_type, moment)
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
    # `enforcement` compares these as texts, so they are stored in the one form that sorts.
    return ExecutionLimitRow.of(limit, pk=pk, sk=sk, period_start=clock.iso(start), period_end=clock.iso(end))


def _in_current_period(limit: ExecutionLimit) -> ExecutionLimit:
    """Return the limit in the current period: its count is zero when the stored count is of an earlier period."""
    start, end = periods.period_containing(limit.limit_type, clock.now())
    if limit.period_start >= start:
        return limit
    return limit.model_copy(update={"period_start": start, "period_end": end, "current_executions": 0})
