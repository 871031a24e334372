"""Jobs on the emulator: a real queue, and each message taken up by several functions at once."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from infra.local.options import REGION
from tests.agents.runs import Starter
from tests.factories import Registered, registered
from tests.integration.racing import together
from tests.jobs.runs import asked, counts, ended, flow, pending, states
from weconnect.events import stream
from weconnect.executions import bulk_job
from weconnect.jobs import worker
from weconnect.settings import settings

AT_ONCE = 4


@pytest.fixture
def me(aws: None, starter: Starter) -> Registered:
    return registered()


@pytest.fixture
def sqs(ministack: str, aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The emulator's queue of jobs."""
    found = boto3.client("sqs", region_name=REGION, endpoint_url=ministack)
    before = settings.jobs_queue_url
    object.__setattr__(settings, "jobs_queue_url", found.create_queue(QueueName="jobs")["QueueUrl"])
    monkeypatch.setattr(stream, "sqs", lambda: found)
    monkeypatch.setattr(bulk_job, "BATCH", 4)
    yield found
    object.__setattr__(settings, "jobs_queue_url", before)
    found.close()


def carried_out(sqs: Any) -> list[int]:
    """Take message after message, each by several functions at once; the batches that were asked for."""
    place, batches = {"QueueUrl": settings.jobs_queue_url}, []
    while messages := sqs.receive_message(**place, MaxNumberOfMessages=10).get("Messages"):
        for found in messages:
            message = json.loads(found["Body"])
            batches.append(message["batch"])
            done = together(AT_ONCE, lambda _, message=message: worker.work(message))
            assert done.count(True) == 1, "one of them has done it"
            sqs.delete_message(**place, ReceiptHandle=found["ReceiptHandle"])
    return batches


def test_a_batch_is_done_once(me: Registered, sqs: Any) -> None:
    found = pending(me, flow(me), 10)
    path = asked(me.client, "cancel", status="pending")
    assert carried_out(sqs) == [0, 1, 2]
    assert counts(me.client.get(path).json) == ("completed", 10, 0, 0, {"cancelled": 10})
    assert states(me, found) == ["cancelled"] * 10


def test_a_run_is_retried_once(me: Registered, sqs: Any, starter: Starter, monkeypatch: Any) -> None:
    """Even when several functions are at a batch, each of which believes that the others are dead."""
    monkeypatch.setattr(worker, "HELD_SECONDS", -5)
    failed = ended(me, starter, flow(me, fails=True), 6)
    path = asked(me.client, "retry", status="failed")
    assert carried_out(sqs) == [0, 1]
    assert counts(me.client.get(path).json) == ("completed", 6, 0, 0, {"retried": 6})
    runs = me.client.get("/v1/executions?limit=100").json["items"]
    assert sorted(run["retryOf"] for run in runs if run.get("retryOf")) == sorted(failed)
