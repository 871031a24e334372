"""Execution limits at the start of an execution: the member's own ones, then the quota of the plan for the month.

Each count is a conditional `ADD` of its own and not part of a transaction, because transactions on one hot row cancel
each other. A start that crashes half-way leaves a count too many, never one too few. The calls go without retries: an
`ADD` that is sent twice counts twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from weconnect import clock
from weconnect.api.caller import Caller
from weconnect.auth.errors import ExecutionLimitReached
from weconnect.db import counters, table
from weconnect.db.row import Row
from weconnect.errors import Unavailable
from weconnect.identity import periods
from weconnect.identity.entities import LimitType
from weconnect.identity.errors import retry_after
from weconnect.identity.rows import ExecutionLimitRow
from weconnect.log import logger
from weconnect.organizations.entities import Organization
from weconnect.organizations.errors import OrganizationNotFound
from weconnect.organizations.rows import OrganizationRow, UsageRow

MAX_TRIES = 20
FIRST_THRESHOLD_PERCENT = 80


@dataclass
class CountedExecution:
    """An execution that all limits have counted.

    It is kept for `retention_days`, at most `max_concurrent` may be open at the same time, and it may start
    `max_descendants` others, by itself and through them (-1: any number).
    """

    retention_days: int
    max_concurrent: int = -1
    max_descendants: int = -1
    _subtractions: list[dict[str, Any]] = field(default_factory=list)

    def undo(self) -> None:
        """Subtract the counts again, for an execution that was not stored. A failure leaves a count too many."""
        while self._subtractions:
            try:
                _send(self._subtractions.pop())
            except Unavailable as error:
                logger.warning("execution limit not given back", error=repr(error.__cause__))


def keys_to_read(caller: Caller) -> list[tuple[str, str]]:
    """Return the keys of the rows that `count_execution` needs: the organization's and the four limits'."""
    return [OrganizationRow.at(caller.organization_id), *_build_limit_keys(caller).values()]


def count_execution(caller: Caller, rows: Mapping[tuple[str, str], Row]) -> CountedExecution:
    """Count one execution of the caller; `rows` are those found at `keys_to_read`.

    Raises ExecutionLimitReached when a limit is used up; then nothing is counted.
    """
    row = rows.get(OrganizationRow.at(caller.organization_id))
    if not isinstance(row, OrganizationRow):
        raise OrganizationNotFound()
    organization = row.to_entity()
    limits = organization.get_plan_limits()
    counted = CountedExecution(
        retention_days(organization), limits.max_concurrent_executions, limits.max_descendants
    )
    try:
        for limit_type, at in _build_limit_keys(caller).items():
            limit = rows.get(at)
            if isinstance(limit, ExecutionLimitRow):
                _count_for_member(counted, limit, limit_type)
        _count_for_plan(counted, organization)
    except BaseException:
        counted.undo()
        raise
    return counted


def retention_days(organization: Organization) -> int:
    """Return the days for which executions are kept: the plan's, or the organization's own setting if that is less."""
    days = organization.get_plan_limits().retention_days
    workflow = organization.custom_settings.workflow
    own = workflow.default_retention if workflow else None
    return min(days, own) if own and days > 0 else own or days


def _build_limit_keys(caller: Caller) -> dict[LimitType, tuple[str, str]]:
    """Return the keys (pk, sk) of the caller's limits by type."""
    organization_id, user_id = caller.organization_id, caller.user_id
    return {
        limit_type: ExecutionLimitRow.at(organization_id, user_id, limit_type) for limit_type in LimitType
    }


def _count_for_member(
    counted: CountedExecution, row: ExecutionLimitRow | None, limit_type: LimitType
) -> None:
    """Count an execution in the current period of a member's limit, or begin a new period with it.

    A missing or inactive limit counts nothing. Raises ExecutionLimitReached, or Unavailable after too many collisions.
    """
    for _ in range(MAX_TRIES):
        if row is None or not row.is_active:
            return
        start, end = (clock.iso(moment) for moment in periods.period_containing(limit_type, clock.now()))
        if row.period_start < start:
            is_counted = _send(_build_period_reset(row, start, end)) is not None
        else:
            start = row.period_start  # another machine's clock may be in the next period already
            is_counted = _send(_build_increment(row, start)) is not None
        if is_counted:
            counted._subtractions.append(_build_decrement(row, "currentExecutions", start))
            return
        row = table.get(ExecutionLimitRow, (row.pk, row.sk))
        if row and row.is_active:
            current = row.current_executions if row.period_start >= start else 0
            if current >= row.max_executions:
                raise _build_limit_reached(
                    f"Your {limit_type} limit of {row.max_executions} executions is used up", limit_type
                )
    raise Unavailable("Too many executions are started at the same time. Try again.")


def _count_for_plan(counted: CountedExecution, organization: Organization) -> None:
    """Count an execution in the organization's month, also in an unlimited plan. Raises ExecutionLimitReached."""
    allowed = organization.get_plan_limits().max_executions_per_month
    start, _ = periods.period_containing(LimitType.MONTHLY, clock.now())
    pk, sk = UsageRow.at(organization.id, start.strftime("%Y-%m"))
    values: dict[str, counters.CounterValue] = {":one": 1, ":kind": UsageRow.kind_name()}
    condition = ""
    if allowed >= 0:
        condition = "attribute_not_exists(executions) OR executions < :allowed"
        values[":allowed"] = allowed
    request = counters.update_request((pk, sk), "SET kind = :kind ADD executions :one", values, condition)
    if allowed >= 0:
        request["ReturnValues"] = "UPDATED_NEW"
    response = _send(request) if allowed else None
    if allowed >= 0:
        used = allowed if response is None else counters.get_number(response["Attributes"], "executions")
        _emit_limit_events(organization, used)
    if response is None:
        raise _build_limit_reached(
            f"The {allowed} executions a month of the organization's plan are used up", LimitType.MONTHLY
        )
    counted._subtractions.append(_build_decrement(UsageRow(pk=pk, sk=sk), "executions", None))


def _emit_limit_events(organization: Organization, used: int) -> None:
    """Emit the events of reached thresholds. Most starts are far below the first one and need no mail client."""
    if used * 100 >= organization.get_plan_limits().max_executions_per_month * FIRST_THRESHOLD_PERCENT:
        from weconnect.organizations.plans import usage  # cold start

        usage.emit_limit_events(organization, "executions", used)


def _build_increment(row: Row, start: str) -> dict[str, Any]:
    """Return the update that adds one to an active limit below its maximum whose period starts at `start`."""
    values: dict[str, counters.CounterValue] = {":one": 1, ":start": start, ":true": True}
    condition = "isActive = :true AND periodStart = :start AND currentExecutions < maxExecutions"
    return counters.update_request((row.pk, row.sk), "ADD currentExecutions :one", values, condition)


def _build_period_reset(row: ExecutionLimitRow, start: str, end: str) -> dict[str, Any]:
    """Return the update that begins a period with a count of one, unless another start has begun it."""
    values: dict[str, counters.CounterValue] = {
        ":one": 1,
        ":start": start,
        ":end": end,
        ":before": row.period_start,
        ":true": True,
        ":zero": 0,
    }
    expression = "SET periodStart = :start, periodEnd = :end, currentExecutions = :one"
    condition = "isActive = :true AND periodStart = :before AND maxExecutions > :zero"
    return counters.update_request((row.pk, row.sk), expression, values, condition)


def _build_decrement(row: Row, attribute: str, start: str | None) -> dict[str, Any]:
    """Return the update that subtracts one, never below 0, if the period still starts at `start` (None: any)."""
    values: dict[str, counters.CounterValue] = {":less": -1, ":zero": 0}
    values |= {":start": start} if start else {}
    in_period = " AND periodStart = :start" if start else ""
    condition = f"{attribute} > :zero{in_period}"
    return counters.update_request((row.pk, row.sk), f"ADD {attribute} :less", values, condition)


def _send(request: dict[str, Any]) -> dict[str, Any] | None:
    """Send an update once and return DynamoDB's response, or None when the condition does not hold."""
    try:
        return counters.send_update(request)
    except counters.ConditionFailed:
        return None


def _build_limit_reached(detail: str, limit_type: LimitType) -> ExecutionLimitReached:
    """Return the ExecutionLimitReached problem; its Retry-After ends with the period of `limit_type`."""
    moment = clock.now()
    _, end = periods.period_containing(limit_type, moment)
    wait_seconds = ceil((end - moment).total_seconds())
    return ExecutionLimitReached(
        f"{detail}. Counting starts again at {end:%Y-%m-%dT%H:%M:%SZ}.", headers=retry_after(wait_seconds)
    )
