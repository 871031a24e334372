"""Jobs on the emulator: a real queue, and each message processed by several functions concurrently."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from infra.local.settings import REGION
from tests.agents.execution_helpers import Starter
from tests.factories import RegisteredUser, register
from tests.integration.racing import count_outcomes, owner_caller, run_concurrently
from tests.jobs.bulk_helpers import (
    create_bulk_job,
    create_bulk_workflow,
    start_finished,
    start_pending,
    states,
    summarize_job,
)
from tests.organizations.organization_helpers import set_plan
from weconnect import queues
from weconnect.db import table
from weconnect.jobs import open_jobs, service, worker
from weconnect.jobs.entities import Job
from weconnect.jobs.rows import OpenJobsRow
from weconnect.settings import settings
from weconnect.workflows.executions import bulk_job

WORKER_COUNT = 4
JOB = ("bulk_executions", {"action": "cancel", "filter": {"all": True}})


@pytest.fixture
def me(aws: None, starter: Starter) -> RegisteredUser:
    return register()


@pytest.fixture
def sqs(ministack: str, aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The emulator's queue of jobs."""
    client = boto3.client("sqs", region_name=REGION, endpoint_url=ministack)
    before = settings.jobs_queue_url
    object.__setattr__(settings, "jobs_queue_url", client.create_queue(QueueName="jobs")["QueueUrl"])
    monkeypatch.setattr(queues, "sqs_client", lambda: client)
    monkeypatch.setattr(bulk_job, "BATCH_SIZE", 4)
    yield client
    object.__setattr__(settings, "jobs_queue_url", before)
    client.close()


def process_concurrently(message: worker.JobMessage) -> list[bool]:
    return run_concurrently(WORKER_COUNT, lambda _: worker.process_message(message))


def process_queue(sqs: Any) -> list[int]:
    """Process message after message, each by several workers concurrently; return the numbers of the batches."""
    queue = {"QueueUrl": settings.jobs_queue_url}
    batches: list[int] = []
    while messages := sqs.receive_message(**queue, MaxNumberOfMessages=10).get("Messages"):
        for received in messages:
            message: worker.JobMessage = json.loads(received["Body"])
            batches.append(message["batch"])
            assert process_concurrently(message).count(True) == 1, "exactly one worker has processed it"
            sqs.delete_message(**queue, ReceiptHandle=received["ReceiptHandle"])
    return batches


def test_a_batch_is_processed_once(me: RegisteredUser, sqs: Any) -> None:
    execution_ids = start_pending(me, create_bulk_workflow(me), 10)
    path = create_bulk_job(me.client, "cancel", status="pending")
    assert process_queue(sqs) == [0, 1, 2]
    assert summarize_job(me.client.get(path).json) == ("completed", 10, 0, 0, {"cancelled": 10})
    assert states(me, execution_ids) == ["cancelled"] * 10


def test_an_execution_is_retried_once(
    me: RegisteredUser, sqs: Any, starter: Starter, monkeypatch: Any
) -> None:
    """Even when several workers process a batch, each of which takes the others for dead."""
    monkeypatch.setattr(worker, "LOCK_SECONDS", -5)
    failed = start_finished(me, starter, create_bulk_workflow(me, fails=True), 6)
    path = create_bulk_job(me.client, "retry", status="failed")
    assert process_queue(sqs) == [0, 1]
    assert summarize_job(me.client.get(path).json) == ("completed", 6, 0, 0, {"retried": 6})
    executions = me.client.get("/v1/executions?limit=100").json["items"]
    assert sorted(execution["retryOf"] for execution in executions if execution.get("retryOf")) == sorted(
        failed
    )


def test_no_more_jobs_are_opened_or_executed_at_once_than_allowed(me: RegisteredUser, sqs: Any) -> None:
    set_plan(me, "free", max_open_jobs=5)
    caller = owner_caller(me)
    created = run_concurrently(20, lambda _: service.create(caller, *JOB, required_permissions=[], total=0))
    assert count_outcomes(created) == {"ok": 5, "too_many_open_jobs": 15}
    job_ids = [job.id for job in created if isinstance(job, Job)]
    activated = run_concurrently(
        5, lambda number: open_jobs.activate(caller.organization_id, job_ids[number])
    )
    assert activated.count(True) == open_jobs.MAX_ACTIVE
    active = [job_id for job_id, is_active in zip(job_ids, activated, strict=True) if is_active]
    again = run_concurrently(8, lambda number: open_jobs.activate(caller.organization_id, active[number % 2]))
    assert all(again), "an active job stays so"
    row = table.get(OpenJobsRow, OpenJobsRow.at(caller.organization_id))
    assert row and sorted(map(str, job_ids)) == sorted(row.open_ids or ())
