"""A person with workflows, whose durable runs are carried out in memory."""

import io
import logging
from collections.abc import Iterator

import pytest

from tests.agents.runs import Starter
from tests.conftest import client
from tests.factories import Registered, registered
from weconnect import durable, stream
from weconnect.log import logger
from weconnect.settings import settings


@pytest.fixture
def me(aws: None) -> Registered:
    return registered()


@pytest.fixture
def starter(monkeypatch: pytest.MonkeyPatch) -> Starter:
    starter = Starter()
    monkeypatch.setattr(durable, "lambda_client", lambda: starter)
    return starter


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """The lines that our logger writes, as it writes them."""
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(logger.registered_formatter)
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


@pytest.fixture
def queue_of_events(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The event queue, in moto."""
    url = client("sqs").create_queue(QueueName="events")["QueueUrl"]
    before = settings.event_queue_url
    object.__setattr__(settings, "event_queue_url", url)
    monkeypatch.setattr(stream, "sqs", lambda: client("sqs"))
    yield url
    object.__setattr__(settings, "event_queue_url", before)
