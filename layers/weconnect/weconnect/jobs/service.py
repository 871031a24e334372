"""Creating, listing, reading and cancelling jobs. The module `worker` does their batches.

A job is visible to and can be cancelled by those who have the permissions that it requires; plain members see their own
jobs only.
"""

from typing import Any
from uuid import UUID

from weconnect import clock, fault_injection, queues
from weconnect.api.caller import Caller
from weconnect.api.idempotency import replay_safe_id
from weconnect.api.pagination import Page, query_page
from weconnect.base_entity import JsonObject
from weconnect.db import table
from weconnect.errors import AlreadyFinished, Conflict
from weconnect.identity.permissions import may_change_entity_of, require_own_entity
from weconnect.jobs import authority, open_jobs
from weconnect.jobs.entities import OPEN, Job
from weconnect.jobs.errors import JobNotFound
from weconnect.jobs.rows import JobInputRow, JobRow
from weconnect.log import logger
from weconnect.settings import settings

SWEEP_AFTER_SECONDS = 30


def create(
    caller: Caller, job_type: str, params: JsonObject, *, required_permissions: list[str], total: int | None
) -> Job:
    """Store a job and request its first batch. Repeating the request returns the same job. Raises TooManyOpenJobs."""
    limit = open_jobs.load_limit(caller.organization_id)
    job_id, moment = replay_safe_id(), clock.now()
    job = Job(
        id=job_id,
        created_at=moment,
        updated_at=moment,
        organization_id=caller.organization_id,
        type=job_type,
        created_by=caller.user_id,
        api_key_id=caller.api_key_id,
        total=total,
    )
    due = JobRow.due_keys(job_id, clock.epoch_seconds() + SWEEP_AFTER_SECONDS)
    pk, sk = JobRow.at(caller.organization_id, job_id)
    row = JobRow.of(job, pk=pk, sk=sk, needs=required_permissions, **due)
    pk, sk = JobInputRow.at(caller.organization_id, job_id)
    stored_caller = authority.snapshot_caller(caller)
    input_row = JobInputRow(pk=pk, sk=sk, input=params, caller=stored_caller)
    try:
        with table.transaction(caller.actor()) as writes:
            writes.create(row)
            writes.create(input_row)
            open_jobs.add(writes, caller.organization_id, job_id, limit)
    except Conflict:
        row = _require_visible(caller, job_id)  # an earlier attempt of this request stored it
    request_batch(row)
    return row.to_entity()


def request_batch(row: JobRow) -> None:
    """Send the message for a job's next batch. Idempotent; a message that could not be sent is left to the sweeper."""
    message: dict[str, Any] = {
        "organizationId": row.organization_id,
        "jobId": row.id,
        "batch": int(row.batch),
    }
    fault_injection.kill_point(f"before:ask-job-{message['batch']}")
    try:
        queues.send_message(settings.jobs_queue_url, message)
    except Exception as error:
        logger.warning("job batch not requested; the sweeper will retry", job_id=row.id, error=repr(error))


def find(caller: Caller, *, limit: int, cursor: str | None) -> Page[Job]:
    """Return a page of the jobs that are visible to the caller, newest first."""
    pk, _ = JobRow.at(caller.organization_id, caller.user_id)
    rows, next_cursor = query_page(
        JobRow,
        pk,
        JobRow.PREFIX,
        limit=limit,
        cursor=cursor,
        keep=lambda row: (
            all(map(caller.has_permission, row.needs)) and may_change_entity_of(caller, UUID(row.created_by))
        ),
    )
    return Page(items=[row.to_entity() for row in rows], next_cursor=next_cursor)


def get(caller: Caller, job_id: UUID) -> Job:
    """Return one job. Raises JobNotFound, PermissionMissing or NotOwnEntity."""
    return _require_visible(caller, job_id).to_entity()


def cancel(caller: Caller, job_id: UUID) -> Job:
    """Request that a job ends before its next batch. Raises AlreadyFinished."""
    if not _request_cancellation(caller, _require_visible(caller, job_id)):
        raise AlreadyFinished(f"The job is already {_require_visible(caller, job_id).status}.")
    return get(caller, job_id)


def close_access(owner: Caller) -> None:
    """Request that all open jobs of an organization end."""
    for job_id in open_jobs.list_open(owner.organization_id):
        if row := table.get(JobRow, JobRow.at(owner.organization_id, job_id)):
            _request_cancellation(owner, row)


def _request_cancellation(caller: Caller, row: JobRow) -> bool:
    """Request that a job ends before its next batch; return False when it has ended."""
    values = {"cancel_requested_at": clock.iso(clock.now()), "actor": caller.actor()}
    return table.touch(row, put=values, condition=JobRow.status.is_in(*[status.value for status in OPEN]))


def _require_visible(caller: Caller, job_id: UUID) -> JobRow:
    """Return the row of a job. Raises JobNotFound, PermissionMissing or NotOwnEntity."""
    row = table.require(JobRow, JobRow.at(caller.organization_id, job_id), JobNotFound)
    for permission in row.needs:
        caller.require_permission(permission)
    require_own_entity(caller, UUID(row.created_by))
    return row
