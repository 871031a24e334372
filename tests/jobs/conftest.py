"""A user and the queue of jobs in moto."""

import pytest

from tests.agents.execution_helpers import Starter
from tests.conftest import queue_of
from tests.factories import RegisteredUser, register
from tests.jobs.job_queue import Deliveries


@pytest.fixture
def me(aws: None, starter: Starter) -> RegisteredUser:
    return register()


@pytest.fixture
def deliveries(aws: None, monkeypatch: pytest.MonkeyPatch) -> Deliveries:
    return Deliveries(queue_of("jobs", monkeypatch))
