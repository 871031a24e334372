"""The job that cancels, retries or deletes many executions, each through the service for a single one."""

from uuid import UUID

from weconnect import clock, ids
from weconnect.base_entity import JsonObject
from weconnect.db import table
from weconnect.errors import AlreadyFinished, NotFound
from weconnect.executions.entities import ExecutionStatus
from weconnect.executions.errors import ExecutionNotFound
from weconnect.jobs.entities import JobFailure
from weconnect.jobs.job_type import BatchPlan, JobContext, JobType
from weconnect.workflows.executions import bulk_actions, service, starts
from weconnect.workflows.executions.entities import Bulk, RetryRequest
from weconnect.workflows.executions.errors import AlreadyCompleted
from weconnect.workflows.executions.rows import WorkflowExecutionRow

BATCH_SIZE = 25
PAGE_SIZE = 100
MAX_ROWS_READ = 1_000


def plan_batch(job: JobContext, cursor: JsonObject | None) -> BatchPlan:
    """Plan the next 25 matching executions, of the next 1,000 at most.

    The cursor is `{"next": index}` within the listed IDs or, when the filter lists none, `{"below": execution ID}`.
    """
    bulk, organization_id = Bulk.model_validate(job.input), job.caller.organization_id
    if bulk.filter.execution_ids:
        return _plan_batch_of_ids(job, bulk, bulk.filter.execution_ids, cursor["next"] if cursor else 0)
    upper = UUID(cursor["below"]) if cursor else ids.lowest_id(ids.timestamp_of(job.job_id))
    plan = BatchPlan()
    rows = bulk_actions.list_below(organization_id, bulk.filter, upper, PAGE_SIZE)
    for number, row in enumerate(rows, start=1):
        if bulk_actions.is_match(row, bulk.filter, job.created_at):
            plan.items.append(row.id)
        if number == MAX_ROWS_READ or len(plan.items) == BATCH_SIZE:
            plan.cursor = {"below": row.id}
            break
    return plan


def _plan_batch_of_ids(job: JobContext, bulk: Bulk, execution_ids: list[UUID], start: int) -> BatchPlan:
    """Plan the next 25 of the listed IDs, from index `start` on.

    IDs of executions that do not match the filter are counted as skipped; those of missing executions are failures.
    """
    chosen = execution_ids[start : start + BATCH_SIZE]
    rows = bulk_actions.load_by_id(job.caller.organization_id, chosen)
    matches = [key for key, row in rows.items() if bulk_actions.is_match(row, bulk.filter, job.created_at)]
    others = len(rows) - len(matches)
    return BatchPlan(
        items=[str(key) for key in matches],
        skipped={"not_meant": others} if others else {},
        failures=[JobFailure(id=str(key), code=ExecutionNotFound.code) for key in chosen if key not in rows],
        cursor={"next": start + BATCH_SIZE} if start + BATCH_SIZE < len(execution_ids) else None,
    )


def process_item(job: JobContext, item: str) -> str:
    """Cancel, retry or delete one execution and return the outcome to count."""
    bulk, execution_id = Bulk.model_validate(job.input), UUID(item)
    match bulk.action:
        case "cancel":
            return _cancel(job, execution_id)
        case "delete":
            return _delete(job, execution_id)
        case "retry":
            retries_completed = bulk.filter.status == ExecutionStatus.COMPLETED
            return _retry(job, execution_id, retries_completed=retries_completed)


def _cancel(job: JobContext, execution_id: UUID) -> str:
    """Cancel one execution and return the outcome `cancelled`. Idempotent when the batch is repeated.

    Raises AlreadyFinished, unless the batch is repeated and the cancellation was requested after the job was created.
    """
    try:
        service.cancel(job.caller, execution_id)
    except AlreadyFinished:
        row = service.require(job.caller, execution_id, "control")
        requested_at = row.cancel_requested_at
        if not (job.is_repeated and requested_at and requested_at >= clock.iso(job.created_at)):
            raise
    return "cancelled"


def _delete(job: JobContext, execution_id: UUID) -> str:
    """Delete one execution and return the outcome `deleted`; for a repeated batch, a missing one counts as deleted."""
    try:
        service.delete(job.caller, execution_id)
    except NotFound:
        if not job.is_repeated:  # it existed when the batch was planned
            raise
    return "deleted"


def _retry(job: JobContext, execution_id: UUID, *, retries_completed: bool) -> str:
    """Retry an execution once: the ID of the retry is derived from the job and the execution."""
    retry_id = ids.derived_from(job.job_id, f"retry {execution_id}")
    at = WorkflowExecutionRow.at(job.caller.organization_id, retry_id)
    if job.is_repeated and table.get(WorkflowExecutionRow, at):
        return "retried"
    row = service.require(job.caller, execution_id, "control")
    if row.status == ExecutionStatus.COMPLETED and not retries_completed:
        raise AlreadyCompleted("The execution has completed. Filter by status completed to retry it.")
    starts.retry(job.caller, execution_id, RetryRequest(), retry_id)
    return "retried"


JOB = JobType(plan_batch, process_item)
