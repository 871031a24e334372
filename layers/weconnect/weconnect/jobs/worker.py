"""The worker of jobs: a message makes it do one batch and request the next.

Messages are delivered twice, late, or not at all. A message names its batch and is dropped when that is not the next
one. The first worker that takes up a batch stores its plan under a condition (the row's version), which locks the batch
for as long as a function may run; the counts and the next cursor are stored under the same condition. So a batch is
counted once and no batch is repeated after it was counted. A batch whose function died is taken up again, with its
plan: when its message returns to the queue, or by the sweeper.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, TypedDict
from uuid import UUID

from weconnect import clock, fault_injection
from weconnect.actor import Actor
from weconnect.api.caller import Caller
from weconnect.db import table
from weconnect.errors import Conflict, LimitReached, Problem, VersionConflict
from weconnect.jobs import authority, open_jobs, service
from weconnect.jobs.entities import OPEN, JobError, JobFailure, JobResult, JobStatus
from weconnect.jobs.errors import BatchFailed
from weconnect.jobs.job_type import BatchPlan, JobContext, JobType, load_job_type
from weconnect.jobs.rows import JobInputRow, JobRow
from weconnect.log import logger

ACTOR: Actor = {"system": "on_job"}
LOCK_SECONDS = 150  # longer than the function may run, shorter than the queue hides its message
ATTEMPTS = 4
MAX_FAILURES = 100
RETENTION_SECONDS = 30 * 86_400


class JobMessage(TypedDict):
    """A message of the jobs' queue: a request to do one batch."""

    organizationId: str
    jobId: str
    batch: int


@dataclass
class _BatchOutcome:
    """The counts of a batch; `fatal` is the problem that makes it the last one."""

    done: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    failures: list[JobFailure] = field(default_factory=list)
    fatal: Problem | None = None


def process_message(message: JobMessage) -> bool:
    """Do the batch that a message names; return False when there was nothing to do.

    Raises whatever interrupted the batch, so that the message returns to the queue.
    """
    batch = message["batch"]
    organization_id, job_id = UUID(message["organizationId"]), UUID(message["jobId"])
    at, input_at = JobRow.at(organization_id, job_id), JobInputRow.at(organization_id, job_id)
    rows_by_key = table.get_many([at, input_at])
    row, input_row = rows_by_key.get(at), rows_by_key.get(input_at)
    if not isinstance(row, JobRow) or not isinstance(input_row, JobInputRow) or not _is_next(row, batch):
        logger.info("job message outdated", job_id=message["jobId"], batch=batch)
        return False
    if row.cancel_requested_at:
        return _finish(row, JobStatus.CANCELLED, {})
    if not open_jobs.activate(organization_id, job_id):
        logger.info("job waits for others of its organization", job_id=row.id)
        return False
    try:
        caller = _restore_caller(row, input_row)
    except Problem as problem:
        if problem.status >= 500:
            raise
        return _finish(row, JobStatus.FAILED, _build_error_values(problem))
    created_at = row.to_entity().created_at
    context = JobContext(caller, job_id, created_at, input_row.input, is_repeated=row.plan is not None)
    job_type = load_job_type(row.type)
    plan = _lock(row, job_type, context)
    if plan is None:
        return False
    fault_injection.kill_point(f"after:hold-job-{batch}")
    outcome = _process_items(job_type, context, plan, is_last_attempt=row.attempts == ATTEMPTS)
    fault_injection.kill_point(f"before:count-job-{batch}")
    return _store_outcome(row, plan, outcome)


def sweep() -> int:
    """Request the next batch of the jobs that are overdue; return how many there were."""
    due = JobRow.of_sweeper_order(clock.epoch_seconds(), "")
    rows = list(JobRow.gsi2.query(JobRow.of_sweeper(), JobRow.gsi2sk < due))
    for row in rows:
        service.request_batch(row)
    return len(rows)


def _is_next(row: JobRow, batch: int) -> bool:
    """Return whether a batch is the next one of an open job and no other worker has it locked."""
    is_locked = row.plan is not None and (row.due or 0) > clock.epoch_seconds()
    return row.status in OPEN and row.batch == batch and not is_locked


def _restore_caller(row: JobRow, input_row: JobInputRow) -> Caller:
    """Return the caller that the job works for.

    Raises BatchFailed after too many attempts, and Unauthenticated, Forbidden or NotFound when the caller has lost the
    rights that the job requires.
    """
    if row.attempts >= ATTEMPTS:
        raise BatchFailed(f"A batch was started {ATTEMPTS} times and never finished.")
    caller = authority.restore_caller(input_row.caller, UUID(row.organization_id), UUID(row.id))
    for permission in row.needs:
        caller.require_permission(permission)
    return caller


def _lock(row: JobRow, job_type: JobType, context: JobContext) -> BatchPlan | None:
    """Lock the batch and store its plan, which is that of the previous attempt if there was one.

    Returns None when another worker was first.
    """
    values: dict[str, Any] = {
        "status": JobStatus.RUNNING.value,
        "started_at": row.started_at or clock.iso(clock.now()),
        "attempts": row.attempts + 1,
        **JobRow.due_keys(row.id, clock.epoch_seconds() + LOCK_SECONDS),
    }
    try:
        plan = (
            BatchPlan.model_validate(row.plan)
            if context.is_repeated
            else job_type.plan_batch(context, row.cursor)
        )
    except Exception:
        _write(row, values)
        raise
    return plan if _write(row, values | {"plan": plan.to_json_dict()}) else None


def _process_items(
    job_type: JobType, context: JobContext, plan: BatchPlan, *, is_last_attempt: bool
) -> _BatchOutcome:
    """Process each item and return the counts. An unexpected error is raised; in the last attempt it is counted."""
    outcome = _BatchOutcome(skipped=Counter(plan.skipped), failures=list(plan.failures))
    for item in plan.items:
        try:
            outcome.done[job_type.process_item(context, item)] += 1
        except LimitReached as problem:
            outcome.fatal = problem
            break
        except Conflict as problem:
            outcome.skipped[problem.code] += 1
        except Exception as error:
            is_ours = not isinstance(error, Problem) or error.status >= 500
            if is_ours and not is_last_attempt:
                raise
            if is_ours:
                logger.exception("job item failed", job_id=str(context.job_id), item=item)
            code = error.code if isinstance(error, Problem) else Problem.code
            outcome.failures.append(JobFailure(id=item, code=code))
        fault_injection.kill_point("after:job-item")
    return outcome


def _store_outcome(row: JobRow, plan: BatchPlan, outcome: _BatchOutcome) -> bool:
    """Store the counts of the batch and request the next one; return False when another worker took it up."""
    before = row.to_entity().result
    failed = Counter(failure.code for failure in outcome.failures)
    counts = Counter(before.counts) + outcome.done + outcome.skipped + failed
    failures = [*before.failures, *outcome.failures][:MAX_FAILURES]
    values: dict[str, Any] = {
        "done": row.done + outcome.done.total(),
        "failed": row.failed + failed.total(),
        "skipped": row.skipped + outcome.skipped.total(),
        "result": JobResult(counts=counts, failures=failures).model_dump(mode="json"),
    }
    if outcome.fatal:
        return _finish(row, JobStatus.FAILED, values | _build_error_values(outcome.fatal))
    if plan.cursor is None:
        return _finish(row, JobStatus.COMPLETED, values)
    values |= {"cursor": plan.cursor, "batch": row.batch + 1, "plan": None, "attempts": 0}
    values |= JobRow.due_keys(row.id, clock.epoch_seconds() + service.SWEEP_AFTER_SECONDS)
    if not _write(row, values):
        return False
    service.request_batch(row)
    return True


def _finish(row: JobRow, status: JobStatus, values: dict[str, Any]) -> bool:
    """Store the final status of a job, which never changes; return False when another worker took it up.

    Then request the next batch of those that waited for it. What is lost here is requested by the sweeper.
    """
    organization_id, job_id = UUID(row.organization_id), UUID(row.id)
    expiry = {"ttl": clock.epoch_seconds() + RETENTION_SECONDS}
    final = {"status": status.value, "finished_at": clock.iso(clock.now()), "plan": None, "cursor": None}
    pk, sk = JobInputRow.at(organization_id, job_id)
    try:
        with table.transaction(ACTOR) as writes:
            writes.change(row, values | final | expiry | JobRow.due_keys(row.id, None))
            writes.touch(JobInputRow(pk=pk, sk=sk), {}, expiry, VersionConflict())
            open_jobs.remove(writes, organization_id, job_id)
    except Conflict:
        return False
    keys = [JobRow.at(organization_id, next_id) for next_id in open_jobs.find_next(organization_id)]
    for next_row in table.get_many(keys).values() if keys else ():
        if isinstance(next_row, JobRow):
            service.request_batch(next_row)
    return True


def _build_error_values(problem: Problem) -> dict[str, Any]:
    """Return the value of a job row's `error` for a problem: `{"error": {"code": …, "message": …}}`."""
    return {"error": JobError(code=problem.code, message=problem.detail).model_dump(mode="json")}


def _write(row: JobRow, values: dict[str, Any]) -> bool:
    """Change the row of a job; return False when another worker changed it first."""
    try:
        table.change(row, values, ACTOR)
    except Conflict:
        return False
    return True
