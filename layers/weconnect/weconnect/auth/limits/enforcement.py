"""Execution limits at the start of a run: the member's own, then the plan's month.

Each count is one conditional `ADD` of its own and not part of a transaction, because transactions on one hot
row cancel each other. A start that crashes half-way leaves a count too many, never one too few. The calls go
without retries: an `ADD` that is sent twice counts twice.
"""

from dataclasses import dataclass, field
from math import ceil
from typing import Any

from weconnect import clock
from weconnect.api.caller import Caller
from weconnect.auth.entities import LimitType
from weconnect.auth.rows import ExecutionLimitRow
from weconnect.db import counters, table
from weconnect.db.table import Row
from weconnect.errors import LimitReached, NotFound, Unavailable
from weconnect.identity import periods
from weconnect.log import logger
from weconnect.organizations.entities import Organization
from weconnect.organizations.rows import OrganizationRow, UsageRow

ATTEMPTS = 20


@dataclass
class Taken:
    """What a start has counted; `retention_days` is how long its run is kept, `at_once` how many may be open."""

    retention_days: int
    at_once: int = -1
    _undo: list[dict[str, Any]] = field(default_factory=list)

    def give_back(self) -> None:
        """Subtract again, for a run that was not stored. What fails here stays counted."""
        while self._undo:
            try:
                _update(self._undo.pop())
            except Unavailable as error:
                logger.warning("a count was not given back", error=repr(error.__cause__))


def keys(caller: Caller) -> list[tuple[str, str]]:
    """The rows that `take` wants to have been read: the organization's and four limits'."""
    limits = [ExecutionLimitRow.at(caller.organization_id, caller.user_id, kind) for kind in LimitType]
    return [OrganizationRow.at(caller.organization_id), *limits]


def take(caller: Caller, rows: dict[tuple[str, str], Row]) -> Taken:
    """Count one run; `rows` has what was found at `keys`.

    Raises LimitReached `execution_limit_reached` with Retry-After when one is full; then nothing is counted.
    """
    row = rows.get(OrganizationRow.at(caller.organization_id))
    if row is None:
        raise NotFound("No such organization", code="organization_not_found")
    organization: Organization = row.to_entity()
    taken = Taken(retention_days(organization), organization.get_plan_limits().max_concurrent_executions)
    try:
        for kind in LimitType:
            limit = rows.get(ExecutionLimitRow.at(caller.organization_id, caller.user_id, kind))
            if isinstance(limit, ExecutionLimitRow):
                _take_of_member(taken, limit, kind)
        _take_of_plan(taken, organization)
    except BaseException:
        taken.give_back()
        raise
    return taken


def retention_days(organization: Organization) -> int:
    """How many days a run is kept: the plan's, or the organization's own where that is less."""
    days = organization.get_plan_limits().retention_days
    own = (
        organization.custom_settings.workflow.default_retention
        if organization.custom_settings.workflow
        else None
    )
    return min(days, own) if own and days > 0 else own or days


def _take_of_member(taken: Taken, row: ExecutionLimitRow | None, kind: LimitType) -> None:
    """Count in the row's period; the first run of a new period starts it."""
    for _ in range(ATTEMPTS):
        if row is None or not row.is_active:
            return
        start, end = (clock.iso(moment) for moment in periods.of(kind, clock.now()))
        if row.period_start < start:
            counted = _update(_new_period(row, start, end))
        else:
            start = row.period_start  # another machine's clock may be in the next period already
            counted = _update(_one_more(row, start))
        if counted:
            taken._undo.append(_one_less(row, "currentExecutions", start))
            return
        row = table.get(ExecutionLimitRow, (row.pk, row.sk))
        if row and row.is_active:
            current = row.current_executions if row.period_start >= start else 0
            if current >= row.max_executions:
                raise _reached(f"Your {kind} limit of {row.max_executions} executions is reached", kind)
    raise Unavailable("Too many runs are started at once; try again")


def _take_of_plan(taken: Taken, organization: Organization) -> None:
    """Count in the organization's month. An unlimited plan counts too, for its usage."""
    allowed = organization.get_plan_limits().max_executions_per_month
    start, _ = periods.of(LimitType.MONTHLY, clock.now())
    pk, sk = UsageRow.at(organization.id, start.strftime("%Y-%m"))
    row = UsageRow(pk=pk, sk=sk)
    values: dict[str, counters.Value] = {":one": 1, ":kind": UsageRow.kind_name()}
    condition = ""
    if allowed >= 0:
        condition = "attribute_not_exists(executions) OR executions < :allowed"
        values[":allowed"] = allowed
    request = counters.update((pk, sk), "SET kind = :kind ADD executions :one", values, condition)
    if allowed >= 0:
        request["ReturnValues"] = "UPDATED_NEW"
    counted = _executions_after(request) if allowed else None
    if allowed >= 0:
        _note(organization, allowed if counted is None else counted)
    if counted is None:
        detail = f"The organization's plan allows {allowed} executions a month, and they are used up"
        raise _reached(detail, LimitType.MONTHLY)
    taken._undo.append(_one_less(row, "executions", None))


def _executions_after(request: dict[str, Any]) -> int | None:
    """Send one update of the month; what stands there then (0 unless it asked), None when it was refused."""
    answer = _send(request)
    if answer is None:
        return None
    return counters.number(answer.get("Attributes", {}), "executions")


def _note(organization: Organization, used: int) -> None:
    """Raise what reaching a threshold raises. Imported late: most starts are far from one."""
    if used * 100 >= organization.get_plan_limits().max_executions_per_month * 80:
        from weconnect.organizations.plans import usage

        usage.note(organization, "executions", used)


def _one_more(row: Row, start: str) -> dict[str, Any]:
    values: dict[str, counters.Value] = {":one": 1, ":start": start, ":true": True}
    condition = "isActive = :true AND periodStart = :start AND currentExecutions < maxExecutions"
    return counters.update((row.pk, row.sk), "ADD currentExecutions :one", values, condition)


def _new_period(row: Row, start: str, end: str) -> dict[str, Any]:
    values = {":one": 1, ":start": start, ":end": end, ":before": row.period_start, ":true": True, ":zero": 0}
    expression = "SET periodStart = :start, periodEnd = :end, currentExecutions = :one"
    condition = "isActive = :true AND periodStart = :before AND maxExecutions > :zero"
    return counters.update((row.pk, row.sk), expression, values, condition)


def _one_less(row: Row, attribute: str, start: str | None) -> dict[str, Any]:
    """The subtraction; not in a period that has begun since, and never below nothing."""
    values: dict[str, counters.Value] = {":less": -1, ":zero": 0}
    values |= {":start": start} if start else {}
    in_period = " AND periodStart = :start" if start else ""
    condition = f"{attribute} > :zero{in_period}"
    return counters.update((row.pk, row.sk), f"ADD {attribute} :less", values, condition)


def _update(request: dict[str, Any]) -> bool:
    """Send one update, once; False when its condition does not hold."""
    return _send(request) is not None


def _send(request: dict[str, Any]) -> dict[str, Any] | None:
    """The answer to one update, sent once; None when its condition does not hold."""
    try:
        return counters.send(request)
    except counters.Refused:
        return None


def _reached(detail: str, kind: LimitType) -> LimitReached:
    moment = clock.now()
    _, end = periods.of(kind, moment)
    return LimitReached(
        f"{detail}; it starts again at {end:%Y-%m-%dT%H:%M:%SZ}",
        code="execution_limit_reached",
        headers={"Retry-After": str(ceil((end - moment).total_seconds()))},
    )
