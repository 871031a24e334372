"""Carrying out jobs: a message does one batch and asks for the next.

Messages come twice, late, or not at all. A message names its batch and is dropped when that is not the next one. Who
takes a batch up first writes its plan under a condition (the row's version), which holds it for the time that a
function may take; the counts and the next cursor are written under the same condition. So a batch is counted once and
never goes back. A batch whose function died is taken up again, with its plan: by its own message when that comes back,
or by the sweeper's.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from weconnect import clock, fault_injection
from weconnect.api.caller import Caller
from weconnect.db import table
from weconnect.errors import Conflict, LimitReached, Problem
from weconnect.jobs import authority, service
from weconnect.jobs.entities import OPEN, JobError, JobFailure, JobResult, JobStatus
from weconnect.jobs.job_type import JobType, Plan, Work, job_type
from weconnect.jobs.rows import JobInputRow, JobRow
from weconnect.log import logger

ACTOR = {"system": "on_job"}
HELD_SECONDS = 150  # longer than the function may work, less than the queue hides its message
ATTEMPTS = 4
FAILURES_KEPT = 100


@dataclass
class _Outcome:
    """What came of a batch; `stopped` says why it is the last one."""

    done: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    failures: list[JobFailure] = field(default_factory=list)
    stopped: Problem | None = None


def work(message: dict[str, Any]) -> bool:
    """Do the batch that a message names (organizationId, jobId, batch); False when there was nothing to do.

    Raises what stopped the batch, so that the message comes back.
    """
    batch = message["batch"]
    organization_id, job_id = UUID(message["organizationId"]), UUID(message["jobId"])
    at, input_at = JobRow.at(organization_id, job_id), JobInputRow.at(organization_id, job_id)
    found = table.get_many([at, input_at])
    row, given = found.get(at), found.get(input_at)
    if not isinstance(row, JobRow) or not isinstance(given, JobInputRow) or not _is_next(row, batch):
        logger.info("a job's message came too late", job_id=message["jobId"], batch=batch)
        return False
    if row.cancel_requested_at:
        return _end(row, JobStatus.CANCELLED, {})
    try:
        caller = _caller(row, given)
    except Problem as problem:
        if problem.status >= 500:
            raise
        return _end(row, JobStatus.FAILED, _told(problem))
    created = row.to_entity().created_at
    doing = Work(caller, job_id, created, given.input, again=row.plan is not None)
    kind = job_type(row.type)
    plan = _hold(row, kind, doing)
    if plan is None:
        return False
    fault_injection.point(f"after:hold-job-{batch}")
    outcome = _carry_out(kind, doing, plan, last_try=row.attempts == ATTEMPTS)
    fault_injection.point(f"before:count-job-{batch}")
    return _count(row, plan, outcome)


def sweep() -> int:
    """Ask again for the jobs that nobody goes on with; answers how many."""
    due = JobRow.of_sweeper_order(clock.epoch(), "")
    rows = list(JobRow.gsi2.query(JobRow.of_sweeper(), JobRow.gsi2sk < due))
    for row in rows:
        service.ask(row)
    return len(rows)


def _is_next(row: JobRow, batch: int) -> bool:
    """Whether a message's batch is the next one and nobody else is at it."""
    held = row.plan is not None and row.due > clock.epoch()
    return row.status in OPEN and row.batch == batch and not held


def _caller(row: JobRow, given: JobInputRow) -> Caller:
    """Whoever the job works for; raises what ends it when they may not any more, or nobody can do its batch."""
    if row.attempts >= ATTEMPTS:
        text = f"A batch was begun {ATTEMPTS} times and never came to its end"
        raise Conflict(text, code="batch_failed")
    caller = authority.now(given.caller, UUID(row.organization_id), UUID(row.id))
    for permission in row.needs:
        caller.require(permission)
    return caller


def _hold(row: JobRow, kind: JobType, doing: Work) -> Plan | None:
    """Take the batch up with its plan, which is that of the try before where there was one; None when another did."""
    values: dict[str, Any] = {
        "status": JobStatus.RUNNING.value,
        "started_at": row.started_at or clock.iso(clock.now()),
        "attempts": row.attempts + 1,
        **JobRow.due_keys(row.id, clock.epoch() + HELD_SECONDS),
    }
    try:
        plan = Plan.model_validate(row.plan) if doing.again else kind.plan(doing, row.cursor)
    except Exception:
        _write(row, values)
        raise
    return plan if _write(row, values | {"plan": plan.wire()}) else None


def _carry_out(kind: JobType, doing: Work, plan: Plan, *, last_try: bool) -> _Outcome:
    """Do each item. What is no problem of the item's own ends the try; in the last one it counts as the item's."""
    outcome = _Outcome(skipped=Counter(plan.skipped), failures=list(plan.failures))
    for item in plan.items:
        try:
            outcome.done[kind.do(doing, item)] += 1
        except LimitReached as problem:
            outcome.stopped = problem
            break
        except Conflict as problem:
            outcome.skipped[problem.code] += 1
        except Exception as error:
            ours = not isinstance(error, Problem) or error.status >= 500
            if ours and not last_try:
                raise
            if ours:
                logger.exception("a job could not do one thing", job_id=str(doing.job_id), item=item)
            code = error.code if isinstance(error, Problem) else Problem.code
            outcome.failures.append(JobFailure(id=item, code=code))
        fault_injection.point("after:job-item")
    return outcome


def _count(row: JobRow, plan: Plan, outcome: _Outcome) -> bool:
    """Write what came of the batch, and ask for the next; False when another has taken it up meanwhile."""
    before: JobResult = row.to_entity().result
    failed = Counter(failure.code for failure in outcome.failures)
    counts = Counter(before.counts) + outcome.done + outcome.skipped + failed
    failures = [*before.failures, *outcome.failures][:FAILURES_KEPT]
    values: dict[str, Any] = {
        "done": row.done + outcome.done.total(),
        "failed": row.failed + failed.total(),
        "skipped": row.skipped + outcome.skipped.total(),
        "result": JobResult(counts=counts, failures=failures).model_dump(mode="json"),
    }
    if outcome.stopped:
        return _end(row, JobStatus.FAILED, values | _told(outcome.stopped))
    if plan.cursor is None:
        return _end(row, JobStatus.COMPLETED, values)
    values |= {"cursor": plan.cursor, "batch": row.batch + 1, "plan": None, "attempts": 0}
    values |= JobRow.due_keys(row.id, clock.epoch() + service.SWEEP_AFTER_SECONDS)
    if not _write(row, values):
        return False
    service.ask(row)
    return True


def _end(row: JobRow, status: JobStatus, values: dict[str, Any]) -> bool:
    """End a job; its last state never changes."""
    ended = {"status": status.value, "finished_at": clock.iso(clock.now()), "plan": None, "cursor": None}
    return _write(row, values | ended | JobRow.due_keys(row.id, None))


def _told(problem: Problem) -> dict[str, Any]:
    return {"error": JobError(code=problem.code, message=problem.detail).model_dump(mode="json")}


def _write(row: JobRow, values: dict[str, Any]) -> bool:
    try:
        table.change(row, values, ACTOR)
    except Conflict:
        return False
    return True
