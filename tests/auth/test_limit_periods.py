"""Execution limits of every type until the end of their period; limits that are lowered or removed."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from tests.auth.counted_executions import (
    caller_of,
    count,
    current_counts,
    set_limit,
)
from tests.factories import RegisteredUser, add_member, register
from weconnect import clock
from weconnect.api.caller import Caller
from weconnect.auth.limits import enforcement, execution_limits
from weconnect.auth.schemas import ExecutionLimitChanges
from weconnect.db import table
from weconnect.errors import LimitReached
from weconnect.identity import periods
from weconnect.identity.entities import ExecutionLimit, LimitType

START = datetime(2026, 11, 22, 13, 59, 30, tzinfo=UTC)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """Return a list of one: the present time, for a test to replace."""
    moments = [START]
    monkeypatch.setattr(clock, "now", lambda: moments[0])
    return moments


def set_limit_directly(person: RegisteredUser, kind: str, maximum: int) -> ExecutionLimit:
    """Set a limit without the route, whose access tokens expire after 15 minutes."""
    caller = caller_of(person)
    changes = ExecutionLimitChanges(max_executions=maximum)
    return execution_limits.put(caller, caller.user_id, LimitType(kind), changes, None)


def current_counts_directly(person: RegisteredUser) -> list[int]:
    return [item.current_executions for item in execution_limits.find(caller_of(person), None).items]


@pytest.mark.parametrize(
    ("kind", "last", "first"),
    [
        ("hourly", datetime(2026, 11, 22, 13, 59, 59, tzinfo=UTC), datetime(2026, 11, 22, 14, tzinfo=UTC)),
        ("daily", datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)),
        ("monthly", datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)),
        ("yearly", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        ("monthly", datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC), datetime(2028, 3, 1, tzinfo=UTC)),
    ],
)
def test_each_type_of_limit_applies_until_the_last_second_of_its_period(
    aws: None, time: list[datetime], kind: str, last: datetime, first: datetime
) -> None:
    person = register()
    time[0] = periods.period_containing(LimitType(kind), last)[0]
    set_limit_directly(person, kind, 1)
    count(person)
    time[0] = last
    with pytest.raises(LimitReached, match=kind) as refused:
        count(person)
    assert refused.value.headers["Retry-After"] == "1"
    time[0] = first
    assert current_counts_directly(person) == [0]
    count(person)
    assert current_counts_directly(person) == [1]
    with pytest.raises(LimitReached, match=kind):
        count(person)


def test_a_limit_below_the_present_count_is_accepted_and_refuses_the_next_execution(
    aws: None, time: list[datetime]
) -> None:
    person = register()
    set_limit(person, "daily", maxExecutions=5)
    for _ in range(3):
        count(person)
    lowered = set_limit(person, "daily", maxExecutions=2)
    assert (lowered["currentExecutions"], lowered["remainingExecutions"], lowered["isExceeded"]) == (
        3,
        0,
        True,
    )
    with pytest.raises(LimitReached):
        count(person)
    assert current_counts(person) == {"daily": 3}
    set_limit(person, "daily", maxExecutions=4)
    count(person)
    with pytest.raises(LimitReached):
        count(person)
    time[0] = datetime(2026, 11, 23, tzinfo=UTC)
    assert set_limit_directly(person, "daily", 2).current_executions == 0
    count(person)


def test_a_removed_limit_is_ignored_and_its_count_is_forgotten(aws: None, time: list[datetime]) -> None:
    owner, member = register(), register()
    add_member(member, owner, "member")
    path = f"/v1/execution-limits/{member.user['id']}/monthly"
    assert owner.client.put(path, {"maxExecutions": 0}).status == 200
    caller = Caller(UUID(member.user["id"]), UUID(owner.organization["id"]), "member", frozenset({"*"}))
    with pytest.raises(LimitReached):
        enforcement.count_execution(caller, table.get_many(enforcement.keys_to_read(caller)))
    assert member.client.delete(path).json["code"] == "permission_missing"
    assert owner.client.delete(path, headers={"If-Match": '"2"'}).status == 412
    assert owner.client.delete(path, headers={"If-Match": '"1"'}).status == 204
    again = owner.client.delete(path)
    assert (again.status, again.json["code"]) == (404, "execution_limit_not_found")
    assert member.client.get("/v1/execution-limits").json["items"] == []
    enforcement.count_execution(caller, table.get_many(enforcement.keys_to_read(caller)))
    assert owner.client.put(path, {"maxExecutions": 1}).json["currentExecutions"] == 0


def test_the_limit_of_another_organization_is_not_found(aws: None) -> None:
    owner, stranger = register(), register()
    set_limit(owner, "hourly", maxExecutions=1)
    path = f"/v1/execution-limits/{owner.user['id']}/hourly"
    assert stranger.client.delete(path).status == 404
    assert stranger.client.put(path, {"maxExecutions": 9}).status == 404
    assert owner.client.get("/v1/execution-limits").json["items"][0]["maxExecutions"] == 1
