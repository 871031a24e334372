"""Fixtures of the tests that send requests to every route."""

from collections.abc import Iterator

import pytest

from tests.api.matrix_world import create_side, mocked_services
from tests.api.module_matrix import Side
from tests.factories import set_user_role
from tests.moto_table import TableSnapshot


@pytest.fixture(scope="module")
def side() -> Iterator[Side]:
    """Create an owner with one or two entities of each kind, who is an operator too."""
    with mocked_services() as starter:
        side = create_side("owner@example.com", starter)
        set_user_role(side.person, "admin")
        yield side


@pytest.fixture(scope="module")
def snapshot(side: Side) -> TableSnapshot:
    """Return the state of the table that `side` created."""
    return TableSnapshot()


@pytest.fixture(autouse=True)
def untouched(request: pytest.FixtureRequest) -> None:
    """Restore the table before each test that uses `side`."""
    if "side" in request.fixturenames:
        request.getfixturevalue("snapshot").restore()
