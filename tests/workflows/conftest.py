"""A person with workflows, whose durable runs are carried out in memory."""

import io
import logging
from collections.abc import Iterator

import pytest

from tests.agents.runs import Starter
from tests.factories import Registered, registered
from weconnect import durable
from weconnect.log import logger


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
