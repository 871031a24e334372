"""Jobs: asked for, listed, read, cancelled. They are carried out in `working`.

A job is seen and cancelled by who holds the permissions that it asks for; by a plain member, when it is their own.
"""

import json
from typing import Any
from uuid import UUID

from weconnect import clock, fault_injection
from weconnect.api.caller import Caller
from weconnect.api.idempotency import new_id
from weconnect.api.pagination import Page, query_page
from weconnect.base_entity import Json
from weconnect.db import table
from weconnect.errors import Conflict
from weconnect.identity.permissions import owns, require_own
from weconnect.jobs import authority
from weconnect.jobs.entities import OPEN, Job
from weconnect.jobs.rows import JobInputRow, JobRow
from weconnect.log import logger
from weconnect.settings import settings

KEEP_DAYS = 30
SWEEP_AFTER_SECONDS = 30


def create(caller: Caller, type: str, asked: Json, *, needs: list[str], total: int | None) -> Job:
    """Store a job and ask for its first batch; the same request again is the same job."""
    job_id, moment = new_id(), clock.now()
    job = Job(
        id=job_id,
        created_at=moment,
        updated_at=moment,
        organization_id=caller.organization_id,
        type=type,
        created_by=caller.user_id,
        api_key_id=caller.api_key_id,
        total=total,
    )
    pk, sk = JobRow.at(caller.organization_id, job_id)
    ttl = clock.epoch() + KEEP_DAYS * 86_400
    due = JobRow.due_keys(job_id, clock.epoch() + SWEEP_AFTER_SECONDS)
    row = JobRow.of(job, pk=pk, sk=sk, ttl=ttl, needs=needs, **due)
    pk, sk = JobInputRow.at(caller.organization_id, job_id)
    given = JobInputRow(pk=pk, sk=sk, ttl=ttl, input=asked, caller=authority.kept(caller))
    try:
        with table.transaction(caller.actor()) as writes:
            writes.create(row)
            writes.create(given)
    except Conflict:
        row = _need(caller, job_id)  # an earlier try of this request stored it
    ask(row)
    return row.to_entity()  # type: ignore[no-any-return]


def ask(row: JobRow) -> None:
    """Ask for a job's next batch: twice is harmless, and what fails is left to the sweeper."""
    from weconnect.events import stream  # routes that only read jobs need no queue

    message: dict[str, Any] = {
        "organizationId": row.organization_id,
        "jobId": row.id,
        "batch": int(row.batch),
    }
    fault_injection.point(f"before:ask-job-{message['batch']}")
    try:
        stream.sqs().send_message(QueueUrl=settings.jobs_queue_url, MessageBody=json.dumps(message))
    except Exception as error:
        logger.warning("could not ask for a job; the sweeper will", job_id=row.id, error=repr(error))


def find(caller: Caller, *, limit: int, cursor: str | None) -> Page[Job]:
    """The jobs that the caller may see, newest first."""
    pk, _ = JobRow.at(caller.organization_id, caller.user_id)
    rows, following = query_page(
        JobRow,
        pk,
        JobRow.PREFIX,
        limit=limit,
        cursor=cursor,
        keep=lambda row: all(map(caller.may, row.needs)) and owns(caller, UUID(row.created_by)),
    )
    return Page(items=[row.to_entity() for row in rows], next_cursor=following)


def get(caller: Caller, job_id: UUID) -> Job:
    """One job; raises NotFound, Forbidden."""
    return _need(caller, job_id).to_entity()  # type: ignore[no-any-return]


def cancel(caller: Caller, job_id: UUID) -> Job:
    """Ask a job to stop before its next batch; raises Conflict `already_finished`."""
    row = _need(caller, job_id)
    asked = {"cancel_requested_at": clock.iso(clock.now()), "actor": caller.actor()}
    if not table.touch(row, put=asked, condition=JobRow.status.is_in(*[each.value for each in OPEN])):
        raise Conflict(f"The job is {_need(caller, job_id).status}", code="already_finished")
    return get(caller, job_id)


def _need(caller: Caller, job_id: UUID) -> JobRow:
    row = table.need(JobRow, JobRow.at(caller.organization_id, job_id), "job")
    for permission in row.needs:
        caller.require(permission)
    require_own(caller, UUID(row.created_by))
    return row
