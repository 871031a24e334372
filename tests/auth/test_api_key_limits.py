"""The number of API keys that a member may have."""

import pytest

from tests.factories import RegisteredUser
from tests.gateway import ApiResponse
from tests.organizations.organization_helpers import register_member, set_plan, status_and_code
from weconnect import clock

FULL = (429, "api_key_limit_reached")


@pytest.fixture(autouse=True)
def two_keys(me: RegisteredUser) -> None:
    set_plan(me, "free", max_api_keys=2)


def create(me: RegisteredUser, **more: object) -> ApiResponse:
    return me.client.post("/v1/api-keys", {"name": "ci", "scopes": ["agents:read"], **more})


def test_the_plan_limits_the_keys_of_each_member(me: RegisteredUser) -> None:
    assert [create(me).status for _ in range(2)] == [201, 201]
    refused = create(me)
    assert status_and_code(refused) == FULL and "may have 2 API keys" in refused.json["detail"]
    assert create(register_member(me, "admin")).status == 201, "each member has their own"
    set_plan(me, "free", max_api_keys=-1)
    assert [create(me).status for _ in range(3)] == [201] * 3


def test_revoked_and_expired_keys_do_not_count(me: RegisteredUser, monkeypatch: pytest.MonkeyPatch) -> None:
    first = create(me).json["id"]
    assert create(me, expiresAt=clock.iso(clock.now().replace(year=clock.now().year + 1))).status == 201
    assert status_and_code(create(me)) == FULL
    assert me.client.delete(f"/v1/api-keys/{first}").status == 204
    assert [create(me).status for _ in range(2)] == [201, 429]


def test_a_key_is_rotated_also_where_there_is_no_room_but_not_for_ever(me: RegisteredUser) -> None:
    keys = [create(me).json["id"] for _ in range(2)]
    statuses = []
    key = keys[0]
    for _ in range(3):
        rotated = me.client.post(f"/v1/api-keys/{key}/rotate", {"overlapSeconds": 3_600})
        statuses.append(rotated.status)
        key = rotated.json.get("id", key)
    assert statuses == [201, 201, 429]
    assert status_and_code(create(me)) == FULL
