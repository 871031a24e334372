"""Every route that callers reach, with whatever can be a payload outside of its row, however short it is.

A role is held to the calls that tests make, and in other tests most texts are short enough for their rows.
"""

from collections.abc import Iterator

import pytest

from infra import routes
from tests.api.matrices import REQUESTS
from tests.api.matrix_world import create_side, mocked_services
from tests.api.module_matrix import Side
from tests.factories import set_user_role
from tests.long_content import BucketSnapshot, store_all_outside

OPERATIONS = {operation.function.__name__: operation for operation in routes.load_operations().values()}


@pytest.fixture(scope="module")
def side() -> Iterator[Side]:
    """Create an owner, who is an operator too, with one or two entities of each kind."""
    with pytest.MonkeyPatch.context() as patch, mocked_services() as starter:
        store_all_outside(patch)
        side = create_side("owner@example.com", starter)
        set_user_role(side.person, "admin")
        yield side


@pytest.fixture(scope="module")
def bucket(side: Side) -> BucketSnapshot:
    return BucketSnapshot()


@pytest.mark.parametrize("name", [name for name in REQUESTS if not OPERATIONS[name].public])
def test_a_route_may_reach_content_outside_of_its_row(side: Side, bucket: BucketSnapshot, name: str) -> None:
    """A call that its role does not allow fails the test."""
    bucket.restore()
    response = REQUESTS[name].send(side.client, OPERATIONS[name], side.ids)
    assert response.status != 410 and response.status < 500, response.text
    if OPERATIONS[name].permission:
        assert response.status < 300, response.text
