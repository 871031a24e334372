"""What the tests of auth share."""

import pytest

from tests.auth.clocks import Clock
from weconnect import clock


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that stands until it is moved."""
    found = Clock()
    monkeypatch.setattr(clock, "now", found.now)
    return found
