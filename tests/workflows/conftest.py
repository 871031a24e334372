"""A person with workflows, whose durable runs are carried out in memory."""

import pytest

from tests.agents.runs import Starter
from tests.factories import Registered, registered
from weconnect import durable


@pytest.fixture
def me(aws: None) -> Registered:
    return registered()


@pytest.fixture
def starter(monkeypatch: pytest.MonkeyPatch) -> Starter:
    starter = Starter()
    monkeypatch.setattr(durable, "lambda_client", lambda: starter)
    return starter
