"""A person with workflows, whose durable runs are carried out in memory."""

import io
import logging
from collections.abc import Iterator

import pytest

from tests.conftest import queue_of
from tests.factories import Registered, registered
from weconnect.log import logger


@pytest.fixture
def me(aws: None) -> Registered:
    return registered()


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
def queue_of_events(aws: None, monkeypatch: pytest.MonkeyPatch) -> str:
    """The event queue, in moto."""
    return queue_of("event", monkeypatch)
