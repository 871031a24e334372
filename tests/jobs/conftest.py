"""A person with runs, and the queue of jobs in moto."""

import pytest

from tests.agents.runs import Starter
from tests.conftest import queue_of
from tests.factories import Registered, registered
from tests.jobs.deliveries import Deliveries


@pytest.fixture
def me(aws: None, starter: Starter) -> Registered:
    return registered()


@pytest.fixture
def deliveries(aws: None, monkeypatch: pytest.MonkeyPatch) -> Deliveries:
    return Deliveries(queue_of("jobs", monkeypatch))
