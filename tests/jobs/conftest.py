"""A person with runs, and the queue of jobs in moto."""

from collections.abc import Iterator

import pytest

from tests.agents.runs import Starter
from tests.conftest import client
from tests.factories import Registered, registered
from tests.jobs.deliveries import Deliveries
from weconnect import stream
from weconnect.settings import settings


@pytest.fixture
def me(aws: None, starter: Starter) -> Registered:
    return registered()


@pytest.fixture
def deliveries(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deliveries]:
    url = client("sqs").create_queue(QueueName="jobs")["QueueUrl"]
    before = settings.jobs_queue_url
    object.__setattr__(settings, "jobs_queue_url", url)
    monkeypatch.setattr(stream, "sqs", lambda: client("sqs"))
    yield Deliveries(url)
    object.__setattr__(settings, "jobs_queue_url", before)
