"""Cancel, retry or delete many runs: each through the service that does it with one."""

from uuid import UUID

from weconnect import clock, ids
from weconnect.base_entity import Json
from weconnect.db import table
from weconnect.errors import Conflict, NotFound
from weconnect.executions import bulk_actions, service, starting
from weconnect.executions.entities import Bulk, ExecutionStatus, Retry
from weconnect.executions.rows import ExecutionRow
from weconnect.jobs.entities import JobFailure
from weconnect.jobs.job_type import JobType, Plan, Work
from weconnect.workflows.sharing import access

BATCH = 25
PAGE = 100
ROWS_READ = 1_000


def plan(work: Work, cursor: Json | None) -> Plan:
    """The next 25 runs that are meant, or fewer when they are not among the next 1,000."""
    asked, organization_id = Bulk.model_validate(work.input), work.caller.organization_id
    if asked.filter.execution_ids:
        return _named(work, asked, asked.filter.execution_ids, cursor["next"] if cursor else 0)
    upper = UUID(cursor["below"]) if cursor else ids.lowest_id(ids.time_of(work.job_id))
    found = Plan()
    for number, row in enumerate(bulk_actions.below(organization_id, asked.filter, upper, PAGE), start=1):
        if bulk_actions.fits(row, asked.filter, work.created_at):
            found.items.append(row.id)
        if number == ROWS_READ or len(found.items) == BATCH:
            found.cursor = {"below": row.id}
            break
    return found


def _named(work: Work, asked: Bulk, execution_ids: list[UUID], start: int) -> Plan:
    chosen = execution_ids[start : start + BATCH]
    rows = bulk_actions.named(work.caller.organization_id, chosen)
    meant = [key for key, row in rows.items() if bulk_actions.fits(row, asked.filter, work.created_at)]
    others = len(rows) - len(meant)
    return Plan(
        items=[str(key) for key in meant],
        skipped={"not_meant": others} if others else {},
        failures=[JobFailure(id=str(key), code="execution_not_found") for key in chosen if key not in rows],
        cursor={"next": start + BATCH} if start + BATCH < len(execution_ids) else None,
    )


def do(work: Work, item: str) -> str:
    """Treat one run."""
    asked, execution_id = Bulk.model_validate(work.input), UUID(item)
    match asked.action:
        case "cancel":
            return _cancel(work, execution_id)
        case "delete":
            return _delete(work, execution_id)
        case "retry":
            return _retry(work, execution_id, completed=asked.filter.status == ExecutionStatus.COMPLETED)


def _cancel(work: Work, execution_id: UUID) -> str:
    try:
        service.cancel(work.caller, execution_id)
    except Conflict:
        asked_at = service.need(work.caller, execution_id, access.STEER_RUN).cancel_requested_at
        if not (work.again and asked_at and asked_at >= clock.iso(work.created_at)):
            raise
    return "cancelled"


def _delete(work: Work, execution_id: UUID) -> str:
    try:
        service.delete(work.caller, execution_id)
    except NotFound:
        if not work.again:  # it was there when the batch was planned
            raise
    return "deleted"


def _retry(work: Work, execution_id: UUID, *, completed: bool) -> str:
    """Start the run's retry, whose id comes from the job and the run, so that there is one."""
    retry_id = ids.derived_from(work.job_id, f"retry {execution_id}")
    at = ExecutionRow.at(work.caller.organization_id, retry_id)
    if work.again and table.get(ExecutionRow, at):
        return "retried"
    if (
        service.need(work.caller, execution_id, access.STEER_RUN).status == ExecutionStatus.COMPLETED
        and not completed
    ):
        raise Conflict("It has completed; ask for status completed", code="already_completed")
    starting.retry(work.caller, execution_id, Retry(), retry_id)
    return "retried"


JOB = JobType(plan, do)
