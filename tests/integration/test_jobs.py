"""Jobs on the emulator: a real queue, and each message processed by several functions concurrently."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from infra.local.settings import REGION
from tests.agents.execution_helpers import Starter
from tests.factories import RegisteredUser, register
from tests.integration.racing import run_concurrently
from tests.jobs.bulk_helpers import (
    create_bulk_job,
    create_bulk_workflow,
    start_finished,
    start_pending,
    states,
    summarize_job,
)
from weconnect import queues
from weconnect.jobs import worker
from weconnect.settings import settings
from weconnect.workflows.executions import bulk_job

WORKER_COUNT = 4


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
